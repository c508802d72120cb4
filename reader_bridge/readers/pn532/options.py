"""The URL of a PN532: ``pn532:DEVICE[?type=a|b|ab&mode=iso-dep|data-exchange&baud=N&patience=SECONDS]``."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from ....apdu.errors import InputError
from ...frames.pn532_commands import BAUD_RATES, BrTy

__all__ = ["Mode", "Options"]

_KNOWN = ("type", "mode", "baud", "patience")
_TYPES = {"a": (BrTy.A106,), "b": (BrTy.B106,), "ab": (BrTy.A106, BrTy.B106)}
_LONGEST_PATIENCE = 3600.0


class Mode(enum.Enum):
    """Who speaks ISO 14443-4 with the card: this host, for APDUs of any length, or the chip."""

    ISO_DEP = "iso-dep"
    DATA_EXCHANGE = "data-exchange"


@dataclass(frozen=True, slots=True)
class Options:
    """What the URL says. ``patience`` is how many seconds a card may take for one APDU in all; ``baud`` None
    leaves the line at the rate that the chip has after a reset."""

    device: str
    types: tuple[BrTy, ...] = _TYPES["ab"]
    mode: Mode = Mode.ISO_DEP
    baud: int | None = None
    patience: float = 120.0

    @classmethod
    def parse(cls, rest: str) -> Options:
        """Read what stands behind ``pn532:``. Options of pyserial's own URLs stay with the device.

        Raises InputError ``pn532.option``.
        """
        device, _, query = rest.partition("?")
        options, foreign = cls(device), []
        for item in filter(None, query.split("&")):
            name, _, value = item.partition("=")
            if name not in _KNOWN and "://" in device:
                foreign.append(item)
                continue
            try:
                options = options._with(name, value)
            except (KeyError, ValueError) as error:
                raise InputError("pn532.option", option=item) from error
        if not device:
            raise InputError("pn532.option", option=rest)
        return replace(options, device="?".join([device, *filter(None, ["&".join(foreign)])]))

    def _with(self, name: str, value: str) -> Options:
        if name == "type":
            return replace(self, types=_TYPES[value])
        if name == "mode":
            return replace(self, mode=Mode(value))
        if name == "baud":
            return replace(self, baud=BAUD_RATES[BAUD_RATES.index(int(value))])
        if name == "patience" and 0 < float(value) <= _LONGEST_PATIENCE:
            return replace(self, patience=float(value))
        raise ValueError(name)
