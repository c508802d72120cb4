"""The GemCore models: how a reader's firmware names them, and what each has."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODELS", "UNKNOWN", "Model", "PadFeatures", "model_of", "readable"]

_TEXT_MOST = 64
_FEATURES = 21
_VERIFY_DIRECT, _MODIFY_DIRECT = 0x20, 0x40


@dataclass(frozen=True, slots=True)
class Model:
    """``slots`` is 0 where only the reader itself can tell; ``mark`` is the part of the firmware's name by
    which it is known, in lower case."""

    name: str
    mark: str
    slots: int
    pin_pad: bool = False


MODELS = (
    Model("gempc-pinpad", "pinpad", 1, pin_pad=True),
    Model("gempc-twin", "twin", 1),
    Model("gemcore-pos-pro", "pos", 5),
    Model("gemcore-sim-pro", "sim", 2),
)
UNKNOWN = Model("gemcore", "", 0)


def model_of(firmware: str, *, pin_pad: bool = False) -> Model:
    """The model whose mark the firmware's name has; :data:`UNKNOWN` when it has none. A reader that says
    that it can ask for a PIN is a PIN pad, whatever its name."""
    text = "".join(letter for letter in firmware.casefold() if letter.isalnum())
    if pin_pad:
        return MODELS[0]
    return next((model for model in MODELS if model.mark in text), UNKNOWN)


@dataclass(frozen=True, slots=True)
class PadFeatures:
    """The answer to Escape 6A, 21 bytes: what its PIN pad can do, and how long a PIN it takes."""

    verify: bool
    modify: bool
    lines: int
    columns: int
    least: int
    most: int

    @classmethod
    def parse(cls, data: bytes) -> PadFeatures | None:
        """None for an answer of another length, which tells nothing."""
        if len(data) != _FEATURES:
            return None
        verify, modify = bool(data[4] & _VERIFY_DIRECT), bool(data[4] & _MODIFY_DIRECT)
        return cls(verify, modify, data[0], data[1], data[13], data[14])


def readable(data: bytes) -> str:
    """Text that a device says of itself, without what a terminal would obey; 64 letters at most."""
    text = data.rstrip(b"\0").decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_TEXT_MOST]
