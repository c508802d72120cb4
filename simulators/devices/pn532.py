"""A simulated PN532 on a serial line (NXP UM0701-02), with a simulated card over its antenna or none.

``pn532_host`` is its end of the line, ``pn532_radio`` what it does with cards; here are the commands about
the chip itself, and the loop. Each time its line is plugged in it starts anew, as a board does that is fed
through its cable.
"""

from __future__ import annotations

from collections.abc import Callable

from ...reader_bridge.frames.pn532_commands import (
    BAUD_RATES,
    Code,
    FirmwareVersion,
    GeneralStatus,
    Parameters,
    RfItem,
    SelfTest,
    StatusByte,
)
from ...reader_bridge.share.wire import Wire
from .picc import Picc
from .pn532_host import Aborted, HostLine
from .pn532_radio import BadSyntax, Radio
from .pn532_registers import Registers

__all__ = ["Pn532"]

WAKES_BY_UART = 0x10
"""Bit of WakeUpEnable (PowerDown, §7.2.11)."""
POLLING_FAILURES = 0x80
"""What test 4 counts when no FeliCa card answers any of its 128 requests."""

_CONFIGURATION_LENGTHS: dict[int, int] = {
    RfItem.FIELD: 1,
    RfItem.TIMINGS: 3,
    RfItem.MAX_RETRY_COM: 1,
    RfItem.MAX_RETRIES: 3,
    RfItem.ANALOG_A106: 11,
    RfItem.ANALOG_212_424: 8,
    RfItem.ANALOG_B: 3,
    RfItem.ANALOG_ISO_DEP: 9,
}


class Pn532:
    """The firmware. ``picc`` is the card that may be held over the antenna."""

    def __init__(self, picc: Picc | None = None, version: FirmwareVersion | None = None) -> None:
        self._picc = picc
        self._version = version or FirmwareVersion()

    def run(self, wire: Wire) -> None:
        host = HostLine(wire)
        chip = _Chip(self._picc, self._version, host)
        try:
            while True:
                self._serve(chip, host)
        finally:
            chip.radio.set_field(False)

    def _serve(self, chip: _Chip, host: HostLine) -> None:
        command = host.command()
        try:
            data = chip.execute(command[0], command[1:])
        except Aborted:
            return
        except BadSyntax:
            host.refuse()
            return
        host.answer(bytes((command[0] + 1,)) + data)
        host.amble = not chip.parameters & Parameters.NO_AMBLE
        if chip.sleeping is not None:
            host.sleep(wakes=bool(chip.sleeping & WAKES_BY_UART))
            chip.sleeping = None


class _Chip:
    """What lives from power-up to power-down, and the commands about it."""

    def __init__(self, picc: Picc | None, version: FirmwareVersion, host: HostLine) -> None:
        self._version = version
        self._host = host
        self._registers = Registers()
        self.radio = Radio(picc, self._registers, host)
        self.parameters = Parameters.AUTO_ATR_RES | Parameters.AUTO_RATS
        self.sleeping: int | None = None
        radio = self.radio
        self._commands: dict[int, Callable[[bytes], bytes]] = {
            Code.DIAGNOSE: self._diagnose,
            Code.GET_FIRMWARE_VERSION: lambda _: bytes(self._version),
            Code.GET_GENERAL_STATUS: self._general_status,
            Code.READ_REGISTER: self._read_register,
            Code.WRITE_REGISTER: self._write_register,
            Code.READ_GPIO: lambda _: bytes.fromhex("3F8600"),
            Code.WRITE_GPIO: lambda _: b"",
            Code.SET_SERIAL_BAUD_RATE: self._set_baud_rate,
            Code.SET_PARAMETERS: self._set_parameters,
            Code.SAM_CONFIGURATION: self._configure_sam,
            Code.POWER_DOWN: self._power_down,
            Code.RF_CONFIGURATION: self._configure_radio,
            Code.IN_JUMP_FOR_DEP: lambda _: bytes((StatusByte.TIMEOUT,)),
            Code.IN_JUMP_FOR_PSL: lambda _: bytes((StatusByte.TIMEOUT,)),
            Code.IN_LIST_PASSIVE_TARGET: lambda data: radio.list_targets(data, self._auto_rats),
            Code.IN_DATA_EXCHANGE: radio.exchange,
            Code.IN_COMMUNICATE_THRU: radio.communicate,
            Code.IN_DESELECT: radio.deselect,
            Code.IN_RELEASE: radio.release,
            Code.IN_SELECT: radio.select,
            Code.IN_AUTO_POLL: lambda data: radio.auto_poll(data, self._auto_rats),
        }

    def execute(self, code: int, data: bytes) -> bytes:
        """The data of the answer. Raises BadSyntax, and Aborted when the host loses patience."""
        command = self._commands.get(code)
        if command is None:
            raise BadSyntax
        return command(data)

    @property
    def _auto_rats(self) -> bool:
        return bool(self.parameters & Parameters.AUTO_RATS)

    def _diagnose(self, data: bytes) -> bytes:
        """§7.2.1. The answers to the ROM and RAM tests are statuses, 00 for well."""
        _need(bool(data))
        test, given = data[0], data[1:]
        if test == SelfTest.ECHO:
            return data
        if test in (SelfTest.ROM, SelfTest.RAM) and not given:
            return b"\x00"
        if test == SelfTest.POLLING and len(given) == 1:
            return bytes((POLLING_FAILURES,))
        if test == SelfTest.ECHO_BACK and len(given) == 3:
            self._host.until_aborted()
        if test == SelfTest.ATTENTION:
            return bytes((self.radio.attention(),))
        if test == SelfTest.ANTENNA and len(given) == 1:
            return b"\x00"
        raise BadSyntax

    def _general_status(self, _: bytes) -> bytes:
        radio = self.radio
        targets = tuple((number, 0, 0, 0) for number in radio.targets)
        return bytes(GeneralStatus(radio.last_error, radio.field, targets))

    def _read_register(self, data: bytes) -> bytes:
        _need(bool(data) and len(data) % 2 == 0)
        return bytes(self._registers.read(int.from_bytes(data[at : at + 2])) for at in range(0, len(data), 2))

    def _write_register(self, data: bytes) -> bytes:
        _need(bool(data) and len(data) % 3 == 0)
        for at in range(0, len(data), 3):
            self._registers.write(int.from_bytes(data[at : at + 2]), data[at + 2])
        self.radio.set_field(self._registers.field)
        return b""

    def _set_baud_rate(self, data: bytes) -> bytes:
        """§7.2.7. A pseudo-terminal and a TCP port have no rate: every one is understood afterwards."""
        _need(len(data) == 1 and data[0] < len(BAUD_RATES))
        return b""

    def _set_parameters(self, data: bytes) -> bytes:
        _need(len(data) == 1)
        self.parameters = Parameters(data[0] & sum(Parameters))
        return b""

    def _configure_sam(self, data: bytes) -> bytes:
        _need(1 <= len(data) <= 3 and 1 <= data[0] <= 4)
        return b""

    def _power_down(self, data: bytes) -> bytes:
        _need(1 <= len(data) <= 2)
        self.radio.forget()
        self.radio.set_field(False)
        self.sleeping = data[0]
        return bytes((StatusByte.OK,))

    def _configure_radio(self, data: bytes) -> bytes:
        """§7.3.1. The analogue settings change nothing on a simulated antenna."""
        _need(bool(data) and _CONFIGURATION_LENGTHS.get(data[0]) == len(data) - 1)
        item, values = data[0], data[1:]
        if item == RfItem.FIELD:
            self.radio.set_field(bool(values[0] & 0x01))
        elif item == RfItem.TIMINGS:
            self.radio.answer_time = values[2]
        elif item == RfItem.MAX_RETRIES:
            self.radio.retries = values[2]
        return b""


def _need(condition: bool) -> None:
    if not condition:
        raise BadSyntax
