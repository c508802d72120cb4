"""The register file of a PN532, as far as commands and programs look at it (NXP UM0701-02 §7.2.4, §8.6.23).

Every address may be written and read back; the contactless interface unit (CIU) minds those named here.
"""

from __future__ import annotations

import enum

from .picc_activation import Modulation

__all__ = ["Register", "Registers"]


class Register(enum.IntEnum):
    """Addresses that mean something here."""

    TX_MODE = 0x6302
    RX_MODE = 0x6303
    TX_CONTROL = 0x6304
    FIFO_DATA = 0x6339


_CRC = 0x80
_SPEED = 0x70
_FRAMING = 0x03
_FRAMINGS = {Modulation.A: 0x00, Modulation.B: 0x03}
_DRIVERS = 0x03
"""Tx1RFEn and Tx2RFEn: the two antenna drivers."""


class Registers:
    """What was written last; 00 where nothing was."""

    def __init__(self) -> None:
        self._values: dict[int, int] = {Register.TX_CONTROL: 0x80}

    def read(self, address: int) -> int:
        return self._values.get(address, 0x00)

    def write(self, address: int, value: int) -> None:
        self._values[address] = value

    @property
    def field(self) -> bool:
        """Whether an antenna driver is on."""
        return bool(self.read(Register.TX_CONTROL) & _DRIVERS)

    def set_field(self, on: bool) -> None:
        """What RFConfiguration leaves behind."""
        rest = self.read(Register.TX_CONTROL) & ~_DRIVERS
        self.write(Register.TX_CONTROL, rest | (_DRIVERS if on else 0))

    @property
    def modulation(self) -> Modulation | None:
        """How frames are sent now; None for what no card here understands: other framing, higher speed."""
        mode = self.read(Register.TX_MODE)
        if mode & _SPEED:
            return None
        return next((kind for kind, bits in _FRAMINGS.items() if bits == mode & _FRAMING), None)

    def set_modulation(self, modulation: Modulation) -> None:
        """What polling for a card of that type leaves behind: 106 kbit/s, CRC made and checked."""
        for register in (Register.TX_MODE, Register.RX_MODE):
            self.write(register, _CRC | _FRAMINGS[modulation])
