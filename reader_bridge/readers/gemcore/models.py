"""The GemCore models: how a reader's firmware names them, and what each has."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MODELS", "UNKNOWN", "Model", "model_of"]


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
