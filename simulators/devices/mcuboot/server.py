"""The SMP server of the simulated reader: groups OS and IMAGE as Zephyr has them, and the reader's own.

Requests of version 2 get their group's error in an ``err`` map, those of version 1 an ``rc``. When an image
is refused for what is in it, the answer is ``rc`` with a reason in ``rsn`` (Zephyr's verbose error answers),
for which no code of the group IMAGE exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ....apdu.errors import ReaderError, with_extra
from ....reader_bridge.frames.smp import (
    READER_GROUP,
    Group,
    ImageCommand,
    ImageError,
    Message,
    Op,
    OsCommand,
    Rc,
    ReaderCommand,
)
from . import own_group
from .board import Board
from .slots import Denied, Problem, SlotView
from .verify import Refused, Why

__all__ = ["BUFFER", "Failure", "Server"]

BUFFER = 2048
"""Bytes of the largest message that is taken (MCUmgr parameters)."""
_BUFFERS = 4

_Values = Mapping[str, Any]


class Failure(Exception):
    """An answer that says no: the result code, and the group that it belongs to; None is the general one."""

    def __init__(self, rc: int, group: int | None = None, reason: str = "") -> None:
        super().__init__(f"result {rc}")
        self.rc = rc
        self.group = group
        self.reason = reason


_PROBLEMS = {
    Problem.IN_USE: ImageError.NO_FREE_SLOT,
    Problem.NO_SUCH_IMAGE: ImageError.HASH_NOT_FOUND,
    Problem.PENDING: ImageError.ALREADY_PENDING,
    Problem.TEST_OF_RUNNING: ImageError.TEST_TO_ACTIVE_DENIED,
    Problem.BAD_OFFSET: ImageError.INVALID_OFFSET,
    Problem.NO_LENGTH: ImageError.INVALID_LENGTH,
    Problem.NO_HEADER: ImageError.INVALID_HEADER,
    Problem.NO_MAGIC: ImageError.INVALID_MAGIC,
    Problem.NOT_NEWER: ImageError.CURRENT_VERSION_IS_NEWER,
    Problem.TOO_LARGE: ImageError.TOO_LARGE,
    Problem.OVERRUN: ImageError.DATA_OVERRUN,
}
_VERSION_1 = {
    ImageError.NO_FREE_SLOT: Rc.BAD_STATE,
    ImageError.CURRENT_VERSION_IS_NEWER: Rc.BAD_STATE,
    ImageError.ALREADY_PENDING: Rc.BAD_STATE,
    ImageError.INVALID_SLOT: Rc.INVALID,
    ImageError.INVALID_OFFSET: Rc.INVALID,
    ImageError.INVALID_LENGTH: Rc.INVALID,
    ImageError.INVALID_HEADER: Rc.INVALID,
    ImageError.INVALID_HASH: Rc.INVALID,
}
"""What version 1 says for an error of the group IMAGE, as Zephyr translates it; unknown for the others."""
_DAMAGED = {Why.FORM, Why.DIGEST}


class Server:
    """Answers requests to the firmware that runs on ``board``. ``restart`` is True once a client has asked
    for one: the device does it after the answer has left."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._cbor = _cbor()
        self.restart = False
        read, write = Op.READ, Op.WRITE
        self._commands: dict[tuple[int, int, int], Callable[[_Values], _Values]] = {
            (Group.OS, OsCommand.ECHO, write): self._echo,
            (Group.OS, OsCommand.ECHO, read): self._echo,
            (Group.OS, OsCommand.RESET, write): self._reset,
            (Group.OS, OsCommand.PARAMETERS, read): lambda _: {"buf_size": BUFFER, "buf_count": _BUFFERS},
            (Group.OS, OsCommand.INFO, read): self._info,
            (Group.OS, OsCommand.BOOTLOADER, read): self._bootloader,
            (Group.IMAGE, ImageCommand.STATE, read): lambda _: self._states(),
            (Group.IMAGE, ImageCommand.STATE, write): self._mark,
            (Group.IMAGE, ImageCommand.UPLOAD, write): self._upload,
            (Group.IMAGE, ImageCommand.ERASE, write): self._erase,
            (READER_GROUP, ReaderCommand.IDENTITY, read): lambda _: own_group.identity(board),
            (READER_GROUP, ReaderCommand.SETTINGS, read): lambda _: own_group.read_settings(board),
            (READER_GROUP, ReaderCommand.SETTINGS, write): lambda values: own_group.write_settings(
                board, values
            ),
            (READER_GROUP, ReaderCommand.SELF_TEST, write): lambda _: own_group.self_test(board),
            (READER_GROUP, ReaderCommand.FIND_ME, write): lambda values: own_group.find_me(board, values),
        }

    def handle(self, request: Message) -> Message | None:
        """The answer, None for what is no request. Raises PowerLost."""
        if request.op not in (Op.READ, Op.WRITE):
            return None
        try:
            values = self._decode(request.payload)
            command = self._commands.get((request.group, request.command, request.op))
            if command is None:
                raise Failure(Rc.NOT_SUPPORTED)
            answer = command(values)
        except Denied as error:
            answer = _failed(request, Failure(_PROBLEMS[error.problem], Group.IMAGE))
        except Refused as error:
            rc = Rc.CORRUPT if error.why in _DAMAGED else Rc.ACCESS_DENIED
            answer = _failed(request, Failure(rc, reason=str(error)))
        except own_group.ReaderFailure as error:
            answer = _failed(request, Failure(error.rc, READER_GROUP))
        except Failure as error:
            answer = _failed(request, error)
        return request.answer(self._cbor.dumps(answer))

    def _decode(self, payload: bytes) -> _Values:
        """The CBOR map. A hostile one may be of any shape; its keys are text or it is refused."""
        try:
            values = self._cbor.loads(payload)
        except (self._cbor.CBORDecodeError, ValueError, RecursionError, OverflowError, TypeError) as error:
            raise Failure(Rc.INVALID) from error
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise Failure(Rc.INVALID)
        return values

    def _echo(self, values: _Values) -> _Values:
        return {"r": _typed(values, "d", str, "")}

    def _reset(self, values: _Values) -> _Values:
        self.restart = True
        return {}

    def _info(self, values: _Values) -> _Values:
        fuses = self._board.fuses
        parts = {
            "s": "tegata",
            "n": fuses.serial,
            "r": self._board.version,
            "v": self._board.version,
            "m": "simulated",
            "p": "simulated",
            "i": fuses.hardware_id,
            "o": "MCUboot",
        }
        asked = _typed(values, "format", str, "") or "s"
        if not set(asked) <= {*parts, "a"}:
            raise Failure(Rc.INVALID)
        return {"output": " ".join(text for name, text in parts.items() if name in asked or "a" in asked)}

    def _bootloader(self, values: _Values) -> _Values:
        query = _typed(values, "query", str, "")
        if not query:
            return {"bootloader": "MCUboot"}
        if query == "mode":
            return {"mode": 3}  # MCUBOOT_MODE_SWAP_USING_MOVE
        raise Failure(Rc.NOT_SUPPORTED)

    def _states(self) -> _Values:
        return {"images": [_state(view) for view in self._board.slots.views()], "splitStatus": 0}

    def _mark(self, values: _Values) -> _Values:
        digest, confirm = _typed(values, "hash", bytes, b""), _typed(values, "confirm", bool, False)
        running = self._board.running
        if len(digest) not in (0, 32) or (not digest and not confirm):
            raise Failure(ImageError.INVALID_HASH, Group.IMAGE)
        if confirm and (not digest or (running is not None and digest == running.digest)):
            self._board.slots.confirm()
        else:
            self._board.slots.mark(digest, permanent=confirm)
        return self._states()

    def _upload(self, values: _Values) -> _Values:
        if _typed(values, "image", int, 0) != 0:
            raise Failure(ImageError.INVALID_SLOT, Group.IMAGE)
        offset, data = _typed(values, "off", int, -1), _typed(values, "data", bytes, b"")
        slots = self._board.slots
        if offset == 0:
            length = _typed(values, "len", int, -1)
            if length < 0:
                raise Denied(Problem.NO_LENGTH)
            sha = _typed(values, "sha", bytes, b"")
            only_newer = _typed(values, "upgrade", bool, False)
            expected = slots.begin_upload(length, sha, only_newer=only_newer, first=data)
        elif slots.received is None or offset < 0:
            raise Denied(Problem.BAD_OFFSET)
        else:
            expected = slots.received
        if offset != expected:
            return {"off": expected}
        match = slots.receive(data)
        received = offset + len(data)
        return {"off": received} if match is None else {"off": received, "match": match}

    def _erase(self, values: _Values) -> _Values:
        if _typed(values, "slot", int, 1) != 1:
            raise Failure(ImageError.INVALID_SLOT, Group.IMAGE)
        self._board.slots.erase()
        return {}


def _typed(values: _Values, name: str, kind: type, default: Any) -> Any:
    """A value of exactly this type, the default when it is not there. Raises Failure."""
    value = values.get(name, default)
    if type(value) is not kind:
        raise Failure(Rc.INVALID)
    return value


def _state(view: SlotView) -> _Values:
    return {
        "slot": view.slot,
        "version": str(view.image.version),
        "hash": view.image.digest,
        "bootable": True,
        "pending": view.pending,
        "confirmed": view.confirmed,
        "active": view.active,
        "permanent": view.permanent,
    }


def _failed(request: Message, failure: Failure) -> _Values:
    if failure.group is not None and request.version == 1:
        return {"err": {"group": int(failure.group), "rc": int(failure.rc)}}
    rc = failure.rc
    if failure.group == READER_GROUP:
        rc = Rc.INVALID
    elif failure.group is not None:
        rc = _VERSION_1.get(ImageError(failure.rc), Rc.UNKNOWN)
    return {"rc": int(rc), "rsn": failure.reason} if failure.reason else {"rc": int(rc)}


def _cbor() -> Any:
    """CBOR comes with the extra ``firmware``. Raises ReaderError ``reader.driver`` without it."""
    try:
        import cbor2
    except ImportError:
        raise ReaderError("reader.driver", scheme="smp", what="cbor2", how=with_extra("firmware")) from None
    return cbor2
