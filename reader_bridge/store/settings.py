"""Where this installation keeps its files.

``$TEGATA_HOME`` names the folder; without it the platform's folder for a user's data is taken
(XDG Base Directory Specification on Linux, the customary places on macOS and Windows).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ...apdu.errors import InputError

__all__ = ["HOME_VARIABLE", "Settings"]

HOME_VARIABLE = "TEGATA_HOME"


class Settings(BaseModel):
    """The settings of one installation. ``home`` is created with mode 0700 on first use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings that the environment (default: of this process) says."""
        values = os.environ if environment is None else environment
        given = values.get(HOME_VARIABLE)
        return cls(home=Path(given).expanduser() if given else _user_data(values))

    def file(self, name: str) -> Path:
        """The path of a file in the home folder, which is created when it is missing.

        Raises InputError ``store.home`` when the folder cannot be made.
        """
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("store.home", path=str(self.home), what=error.strerror) from error
        return self.home / name


def _user_data(environment: Mapping[str, str]) -> Path:
    home = Path.home()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tegata"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "tegata"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "tegata"
