"""A control panel on the independent package ``osdp``; runs in its environment (build/foreign/osdp).

``python osdp_control_panel.py LINK ADDRESS MASTERFILE`` prints one JSON line for whatever happens. On
standard input: ``wait`` (until the secure channel is open), ``again`` (a new session, which this package does
not begin by itself when a peripheral has restarted and answers NAK 4), ``id``, ``led``, ``output``,
``mfg HEX``, ``file PATH``, and end of file.
"""

import json
import logging
import sys
import time
from pathlib import Path

import osdp

SECONDS = 20
PIECE = 128
logging.getLogger("osdp").handlers.clear()
logging.getLogger("osdp").addHandler(logging.NullHandler())
logging.getLogger("osdp").propagate = False


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


class ControlPanel(osdp.ControlPanel):
    def on_raw_card_data_reply_received(self, address: int, raw_card_data: object) -> None:
        say(card=bytes(raw_card_data.data).hex())

    def on_reply_received(self, reply: object) -> None:
        if reply.type.value == 0x90:
            say(mfg=bytes(reply.extract_reply_data).hex())
        super().on_reply_received(reply)


def main() -> None:
    link, address, master = (
        sys.argv[1],
        int(sys.argv[2]),
        bytes.fromhex(Path(sys.argv[3]).read_text().strip()),
    )
    panel = ControlPanel(master)
    panel._reply_timeout = 2.0  # five seconds otherwise
    bus = panel.start_connection(osdp.SerialPortOsdpConnection(link, 9600))
    panel.add_device(bus, address, use_crc=True, use_secure_channel=True)
    for order in sys.stdin:
        word, *rest = order.split()
        try:
            carry_out(panel, bus, address, word, rest)
        except TimeoutError:
            say(silent=word)
    panel.shutdown()


def carry_out(panel: ControlPanel, bus: object, address: int, word: str, rest: list[str]) -> None:
    device = panel._buses[bus]._configured_devices[address]
    if word == "again":
        panel.remove_device(bus, address)
        panel.add_device(bus, address, use_crc=True, use_secure_channel=True)
        carry_out(panel, bus, address, "wait", rest)
    elif word == "wait":
        until = time.monotonic() + SECONDS
        while not (device.is_security_established and device.is_online and not device.is_scbkd):
            if time.monotonic() > until:
                say(secure=False)
                return
            time.sleep(0.02)
        say(secure=True, cuid=device.cuid.hex())
    elif word == "id":
        found = panel.id_report(bus, address)
        say(vendor=bytes(found.vendor_code).hex(), serial=found.serial_number,
            firmware=[found.firmware_major, found.firmware_minor, found.firmware_build])  # fmt: skip
    elif word == "led":
        control = osdp.ReaderLedControl(
            0, 0, osdp.TemporaryReaderControlCode.SetTemporaryAndStartTimer, 1, 1, osdp.LedColor.Green,
            osdp.LedColor.Black, 20, osdp.PermanentReaderControlCode.Nop, 0, 0, osdp.LedColor.Black,
            osdp.LedColor.Black,
        )  # fmt: skip
        say(led=panel.reader_led_control(bus, address, osdp.ReaderLedControls([control])))
    elif word == "output":
        control = osdp.OutputControl(0, osdp.OutputControlCode.PermanentStateOnAbortTimedOperation, 0)
        say(output=panel.output_control(bus, address, osdp.OutputControls([control])))
    elif word == "mfg":
        reply = panel.send_command(bus, osdp.ManufacturerSpecificCommand(address, bytes.fromhex(rest[0])))
        say(answered=reply.type.name)
    elif word == "file":
        content = Path(rest[0]).read_bytes()
        for offset in range(0, len(content), PIECE):
            piece = content[offset : offset + PIECE]
            command = osdp.FileTransferCommand(address, 1, len(content), offset, piece)
            reply = panel.send_command(bus, command)
            status = int.from_bytes(reply.extract_reply_data[3:5], "little", signed=True)
        say(file=reply.type.name, status=status)


main()
