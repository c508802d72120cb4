"""A device's settings in a JSON file: backup, difference, and putting back what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...apdu.devices import Configurable, Device, DeviceIdentity
from ...apdu.errors import InputError, ReaderError
from .compatibility import first_defect
from .durable import write_durably

__all__ = ["Change", "SettingsFile", "configurable", "differences"]

MAX_FILE = 1 << 20


class _Origin(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    serial: str = ""
    hardware_id: str = ""
    firmware: str = ""


class SettingsFile(BaseModel):
    """What ``config backup`` writes."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["tegata-device-settings-1"] = "tegata-device-settings-1"
    device: _Origin
    settings: dict[str, Any] = Field(max_length=1000)

    @classmethod
    def of(cls, identity: DeviceIdentity, settings: Mapping[str, Any]) -> SettingsFile:
        """The backup of a device."""
        origin = _Origin(
            model=identity.model,
            serial=identity.serial,
            hardware_id=identity.hardware_id,
            firmware=identity.firmware,
        )
        return cls(device=origin, settings=dict(sorted(settings.items())))

    @classmethod
    def load(cls, path: Path) -> SettingsFile:
        """Raises InputError ``firmware.settings_file``."""
        try:
            with path.open("rb") as file:
                return cls.model_validate_json(file.read(MAX_FILE))
        except ValidationError as error:
            raise InputError("firmware.settings_file", path=str(path), what=first_defect(error)) from error
        except OSError as error:
            raise InputError("firmware.settings_file", path=str(path), what=error.strerror) from error

    def save(self, path: Path) -> None:
        """Write it, readable by its owner alone: settings may say much about a place."""
        text = json.dumps(self.model_dump(), indent=1, ensure_ascii=False)
        write_durably(path, text.encode() + b"\n")

    def check_model(self, path: Path, identity: DeviceIdentity) -> None:
        """Raises InputError ``firmware.settings_model`` when it is another model's backup."""
        if self.device.model != identity.model:
            raise InputError(
                "firmware.settings_model",
                path=str(path),
                expected=self.device.model,
                url=identity.url,
                found=identity.model,
            )


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that is not the same in file and device; None where one of them has none."""

    name: str
    device: Any
    file: Any

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "device": self.device, "file": self.file}


def differences(device: Mapping[str, Any], file: Mapping[str, Any]) -> list[Change]:
    """What differs, by name. ``1`` and ``true`` are not the same."""
    return [
        Change(name, device.get(name), file.get(name))
        for name in sorted(device.keys() | file.keys())
        if _plain(device.get(name)) != _plain(file.get(name))
    ]


def configurable(device: Device) -> Configurable:
    """Raises ReaderError ``device.unable`` for a device without settings."""
    if not isinstance(device, Configurable):
        raise ReaderError("device.unable", url=device.url)
    return device


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
