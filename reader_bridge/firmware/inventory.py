"""What runs where: the devices of a list, each with its identity or the reason why it did not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...apdu.devices import Device, DeviceIdentity, open_device
from ...apdu.errors import InputError, TegataError

__all__ = ["Entry", "inventory", "read_devices"]

MAX_LIST = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One device: ``identity``, or the ``error`` that asking for it met."""

    url: str
    identity: DeviceIdentity | None
    error: TegataError | None = None

    def to_json(self) -> dict[str, Any]:
        if self.identity is not None:
            return self.identity.to_json()
        assert self.error is not None  # noqa: S101 - one of both is always there
        return {"url": self.url, "error": {"code": self.error.code, "sentence": self.error.sentence()}}


def inventory(urls: Iterable[str], opener: Callable[[str], Device] = open_device) -> Iterator[Entry]:
    """Ask each device in turn who it is. One that does not answer is an entry like the others."""
    for url in urls:
        try:
            device = opener(url)
            try:
                yield Entry(url, device.identity())
            finally:
                device.close()
        except TegataError as error:
            yield Entry(url, None, error)


def read_devices(path: Path) -> list[str]:
    """The URLs of a list: one a line, ``#`` begins a remark. Raises InputError ``firmware.file``."""
    try:
        with path.open(encoding="utf-8") as file:
            lines = file.read(MAX_LIST).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("firmware.file", path=str(path), what=str(error)) from error
    urls = [line.partition("#")[0].strip() for line in lines]
    return list(dict.fromkeys(filter(None, urls)))
