"""What ring and worker say to each other: frames of 4 bytes of length and JSON, over anonymous pipes.

The worker begins with :data:`READY`. A request is ``[operation, arguments, named arguments]``, an answer
``["ok", value]`` or ``["error", code, details]``. Bytes, secrets and references travel as objects with one
key. No frame is ever written to a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, BinaryIO

from ....apdu.errors import Words
from ....apdu.ports import ChannelDek, KeyRef, SessionKeys
from ....apdu.secret import Secret

__all__ = ["READY", "decode", "encode", "read_frame", "write_frame"]

READY = ["ready"]
LARGEST = 1 << 20
SIZE = 4


def encode(value: Any) -> Any:
    """``value`` as JSON has it. Raises TypeError for what does not travel."""
    match value:
        case Words():
            return {"words": [str(value), value.ja]}
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {"bytes": value.hex()}
        case Secret():
            return {"secret": value.reveal().hex()}
        case KeyRef():
            return {"ref": value.to_json()}
        case ChannelDek():
            return {
                "dek": [encode(part) for part in (value.static, value.sequence, value.session, value.cbc)]
            }
        case SessionKeys():
            return {"keys": [encode(part) for part in (value.enc, value.mac, value.rmac)]}
        case tuple() | list():
            return [encode(part) for part in value]
        case dict():
            return {"map": {str(name): encode(part) for name, part in value.items()}}
    raise TypeError(f"{type(value).__name__} does not travel")


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "words": lambda found: Words(*found),
    "bytes": bytes.fromhex,
    "secret": lambda found: Secret(bytes.fromhex(found)),
    "ref": KeyRef.from_json,
    "dek": lambda found: ChannelDek(*map(decode, found)),
    "keys": lambda found: SessionKeys(*map(decode, found)),
    "map": lambda found: {name: decode(part) for name, part in found.items()},
}


def decode(value: Any) -> Any:
    """The inverse of :func:`encode`; tuples come back as lists."""
    if isinstance(value, list):
        return [decode(part) for part in value]
    if isinstance(value, dict):
        ((name, found),) = value.items()
        return _DECODERS[name](found)
    return value


def write_frame(stream: BinaryIO, message: list[Any]) -> None:
    """Raises OSError when nobody reads any more."""
    data = json.dumps(message).encode()
    view = memoryview(len(data).to_bytes(SIZE, "big") + data)
    while view:  # an unbuffered pipe may take less
        view = view[stream.write(view) :]


def read_frame(stream: BinaryIO) -> list[Any]:
    """Raises EOFError when the other side is gone."""
    size = int.from_bytes(_exactly(stream, SIZE), "big")
    if size > LARGEST:
        raise EOFError("a frame of this size is none of ours")
    message: list[Any] = json.loads(_exactly(stream, size))
    return message


def _exactly(stream: BinaryIO, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = stream.read(size - len(found))
        if not part:
            raise EOFError("the other side is gone")
        found += part
    return found
