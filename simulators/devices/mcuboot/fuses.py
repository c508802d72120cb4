"""What is burnt into a simulated reader when it is made: who it is, and whose firmware it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ....reader_bridge.frames.mcuboot_signature import PublicKey, load_public_key

__all__ = ["Fuses"]

_TEXT = 64


@dataclass(frozen=True, slots=True)
class Fuses:
    """``keys`` are public keys in PEM: firmware signed with any of them is taken. ``refuse_older`` adds
    MCUboot's downgrade prevention by version to that by security counter."""

    hardware_id: str
    keys: tuple[str, ...]
    model: str = "smp"
    serial: str = "00000001"
    vendor: str = "tegata"
    refuse_older: bool = False

    def __post_init__(self) -> None:
        """Raises ValueError for what a reader cannot be made with."""
        for text in (self.hardware_id, self.model, self.serial, self.vendor):
            if not (text.isprintable() and 0 < len(text.encode()) <= _TEXT):
                raise ValueError(f"{text!r} is not 1 to {_TEXT} printable bytes")
        if not self.keys:
            raise ValueError("a reader without a key would take no firmware")
        self.public_keys()

    def public_keys(self) -> list[PublicKey]:
        """The keys. Raises ValueError for what is none."""
        return [load_public_key(key.encode()) for key in self.keys]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fuses:
        """Raises ValueError or TypeError for anything but what ``to_json`` wrote."""
        texts = {name: str(values[name]) for name in ("hardware_id", "model", "serial", "vendor")}
        keys = tuple(str(key) for key in values["keys"])
        return cls(**texts, keys=keys, refuse_older=bool(values["refuse_older"]))
