"""``--auto PERSONA``: consents and types PINs by itself, on simulated cards only, for tests and CI."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from ...apdu.errors import InputError, RequestError
from ...apdu.secret import Secret
from ...applets.jpki import JpkiKey

__all__ = ["Persona"]

PRESETS = {"my-number-card": ("1234", "ABC123"), "my-number-card-with-free-space": ("1234", "ABC123")}
"""The PINs that the simulated cards of these presets are born with."""


@dataclass(frozen=True, slots=True, repr=False)
class Persona:
    """A holder who always says yes."""

    authentication: Secret
    signature: Secret

    @classmethod
    def load(cls, name: str) -> Persona:
        """A preset's name, or a TOML file with ``authentication`` and ``signature`` as strings.

        Raises InputError ``input.file`` for anything else.
        """
        if name in PRESETS:
            return cls(*map(Secret.from_text, PRESETS[name]))
        try:
            found = tomllib.loads(Path(name).read_text(encoding="utf-8"))
            return cls(Secret.from_text(found["authentication"]), Secret.from_text(found["signature"]))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            what = f"neither a persona ({', '.join(PRESETS)}) nor a TOML file with both PINs"
            raise InputError("input.file", path=name, what=what) from error

    def pin(self, key: JpkiKey) -> Secret:
        """A copy of the PIN for this key; the receiver wipes it."""
        chosen = self.authentication if key is JpkiKey.AUTHENTICATION else self.signature
        return Secret(chosen.reveal())


def require_simulated(reader: str, simulated: bool) -> None:
    """Raises RequestError ``bridge.auto`` unless the card is simulated."""
    if not simulated:
        raise RequestError("bridge.auto", reader=reader)
