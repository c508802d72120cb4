"""Devices that speak SMP ("mcumgr") on a serial line: ``smp:DEVICE[?baud=N&timeout=S]``.

The protocol's client is smpclient; it is asyncio inside, which stays inside
:class:`~tegata.reader_bridge.readers.smp.device.SmpDevice`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from ....apdu.devices import Device
from ....apdu.errors import ReaderError, with_extra

__all__ = ["open_device"]


def open_device(rest: str) -> Device:
    """The device on the line that ``rest`` names.

    Raises ReaderError ``smp.option``, ``reader.driver``, ``line.*`` or ``smp.malformed``.
    """
    line, options = _parse(rest)
    try:
        from .device import SmpDevice
    except ImportError as error:
        raise ReaderError(
            "reader.driver", scheme="smp", what=str(error), how=with_extra("firmware")
        ) from error
    baud, timeout = int(options.get("baud", 115200)), options.get("timeout", 2.0)
    return SmpDevice(f"smp:{rest}", line, baud=baud, timeout=timeout)


def _parse(rest: str) -> tuple[str, dict[str, float]]:
    line, mark, query = rest.partition("?")
    try:
        pairs = parse_qsl(query, strict_parsing=bool(mark))
        options = {name: float(value) for name, value in pairs}
    except ValueError as error:
        raise ReaderError("smp.option", url=f"smp:{rest}") from error
    if not line or options.keys() - {"baud", "timeout"} or any(not 0 < v < 1e8 for v in options.values()):
        raise ReaderError("smp.option", url=f"smp:{rest}")
    return line, options
