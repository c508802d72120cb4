"""A peripheral written against libosdp's own Python package; nothing of this project is imported.

``python osdp_peripheral.py LINK ADDRESS KEYFILE`` makes a pseudo-terminal named LINK and prints one JSON line
for whatever happens. On standard input: ``unplug``, ``plug``, ``card HEX``, and end of file.
"""

import hashlib
import json
import os
import pty
import sys
import tty
from pathlib import Path

from osdp import (
    Capability,
    CardFormat,
    Channel,
    Event,
    LogLevel,
    PDCapabilities,
    PdId,
    PDInfo,
    PeripheralDevice,
)


class Line(Channel):
    """A pseudo-terminal that can be pulled and put back."""

    def __init__(self, link: str) -> None:
        super().__init__()
        self.link = Path(link)
        self.ends: tuple[int, int] | None = None
        self.plug()

    def plug(self) -> None:
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.link.symlink_to(os.ttyname(slave))
        self.ends = (master, slave)

    def unplug(self) -> None:
        ends, self.ends = self.ends, None
        self.link.unlink()
        for end in ends or ():
            os.close(end)

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self.ends[0], max_bytes) if self.ends else b""
        except OSError:
            return b""

    def write(self, buf: bytes) -> int:
        try:
            return os.write(self.ends[0], buf) if self.ends else len(buf)
        except OSError:
            return 0

    def flush(self) -> None:
        pass


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


class File:
    """The file that is being received."""

    def __init__(self) -> None:
        self.content = bytearray()

    def open(self, file_id: int, size: int) -> int:
        self.content.clear()
        say(file=file_id, size=size)
        return size

    def write(self, data: bytes, offset: int) -> int:
        self.content[offset:] = data
        return len(data)

    def close(self, _: int) -> int:
        say(received=len(self.content), sha256=hashlib.sha256(self.content).hexdigest())
        return 0


def carried_out(command: dict) -> tuple[int, None]:
    say(command={name: value for name, value in command.items() if not isinstance(value, bytes)})
    return 0, None


def main() -> None:
    link, address, keyfile = sys.argv[1:]
    line, file = Line(link), File()
    device = PeripheralDevice(
        PDInfo(
            int(address),
            line,
            scbk=bytes.fromhex(Path(keyfile).read_text().strip()),
            id=PdId(1, 2, 0x112233, 0x01020304, 0x010203),
        ),
        PDCapabilities(
            [
                (Capability.LEDControl, 1, 1),
                (Capability.AudibleControl, 1, 1),
                (Capability.CommunicationSecurity, 1, 1),
            ]
        ),
        log_level=LogLevel.Emergency,
        command_handler=carried_out,
    )
    device.start()
    device.register_file_ops(
        {"open": file.open, "read": lambda *_: b"", "write": file.write, "close": file.close}
    )
    say(ready=True)
    for order in sys.stdin:
        word, *rest = order.split()
        if word == "card":
            uid = bytes.fromhex(rest[0])
            device.submit_event(
                {
                    "event": Event.CardRead,
                    "reader_no": 0,
                    "direction": 0,
                    "format": CardFormat.Unspecified,
                    "length": 8 * len(uid),
                    "data": uid,
                }
            )
        else:
            getattr(line, word)()
        say(done=word)
    device.teardown()


main()
