"""A device with MCUboot that is looked after over SMP: identity, checks, settings, two slots of firmware.

smpclient is asyncio; one private loop in here runs it, step by step, in the thread of whoever calls. Requests
that may be made twice are made again when no answer comes; an upload begins again at the device's own offset.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from cbor2 import CBORError
from smp.exceptions import SMPException
from smpclient import SMPClient
from smpclient.exceptions import SMPBadSequence, SMPClientException, SMPUploadError
from smpclient.generics import error
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import (
    EchoWrite,
    MCUMgrParametersRead,
    OSApplicationInfoRead,
    ResetWrite,
)

from ....apdu.devices import DeviceIdentity, Finding, ImageSlot, Verdict
from ....apdu.errors import InputError, ReaderError, Words
from ..serial_port import LineSettings, SerialPort
from . import requests
from .refusals import INVALID_OFFSET, NOT_SUPPORTED, refusal
from .transport import LineTransport

__all__ = ["SmpDevice"]

T = TypeVar("T")

TRIES = 3
_STALLS = 6
"""How often an upload may get no answer or come no further before it is given up."""
_ERASING = 20.0
"""Seconds that the first piece of an upload may take: a device may erase its slot before it answers."""
_MODEL = "smp"
_TEXT = 200
_DIGESTS = (0, 32, 48, 64)
"""Bytes of an image's digest: SHA-256, and the longer ones that newer bootloaders may have."""

for _name in ("smp", "smpclient"):  # what they would print is in our errors
    logging.getLogger(_name).addHandler(logging.NullHandler())


class SmpDevice:
    """One device on one line. Not safe for use by two threads at once.

    Opening asks for the device's buffer size. Raises ReaderError ``line.*`` and ``smp.malformed``.
    """

    def __init__(self, url: str, line: str, *, baud: int = 115200, timeout: float = 2.0) -> None:
        self.url = url
        self._timeout = timeout
        self._port = SerialPort(line, LineSettings(baud))
        self._transport = LineTransport(self._port)
        self._client = SMPClient(self._transport, line, timeout)
        self._runner = asyncio.Runner()
        try:
            parameters = self._ask(MCUMgrParametersRead)
        except BaseException:
            self.close()
            raise
        if not error(parameters):
            self._transport.initialize(parameters.buf_size)

    def close(self) -> None:
        """Free the line; more than once does no harm."""
        self._runner.close()
        self._port.close()

    def identity(self) -> DeviceIdentity:
        """Who it is, from tegata's own group, else from the stock groups."""
        active = next((slot for slot in self.images() if slot.active), None)
        firmware = active.version if active else ""
        answer = self._ask(requests.IdentityRead)
        if error(answer):
            return DeviceIdentity(self.url, self._board(), firmware, updatable=True)
        return DeviceIdentity(
            self.url,
            _printable(answer.model),
            firmware,
            serial=_printable(answer.serial),
            vendor=_printable(answer.vendor),
            hardware_id=_printable(answer.hardware_id),
            features=frozenset(map(_printable, answer.features)),
            updatable=True,
            security_counter=answer.counter,
            slot_size=answer.slot_size,
        )

    def selftest(self) -> Sequence[Finding]:
        """An echo over the line, then what the device checks by itself."""
        token = secrets.token_hex(16)
        echo = self._ask(lambda: EchoWrite(d=token))
        good = not error(echo) and echo.r == token
        words = Words("what was sent came back", "送った内容が返りました")
        bad = Words("what was sent did not come back", "送った内容が返りません")
        found = [Finding("echo", Verdict.PASSED if good else Verdict.FAILED, words if good else bad)]
        answer = self._ask(requests.ChecksRun)
        if not error(answer):
            found += [
                Finding(
                    _printable(check.name),
                    Verdict(check.verdict),
                    Words(_printable(check.en), _printable(check.ja or check.en)),
                )
                for check in answer.findings
            ]
        return found

    def find_me(self, seconds: float) -> None:
        """Let it show where it is. Raises ReaderError ``device.unable``."""
        answer = self._ask(lambda: requests.FindMeWrite(seconds=max(1, round(seconds))))
        if error(answer):
            raise self._unable(answer)

    def settings(self) -> Mapping[str, Any]:
        """Raises ReaderError ``device.unable`` for a device without settings."""
        answer = self._ask(requests.SettingsRead)
        if error(answer):
            raise self._unable(answer)
        return dict(answer.settings)

    def apply(self, settings: Mapping[str, Any]) -> None:
        """Raises InputError ``device.setting``; nothing is written then."""
        present = self.settings()
        for name, value in settings.items():
            if name not in present or type(present[name]) is not type(value):
                raise InputError("device.setting", url=self.url, setting=name)
        answer = self._ask(lambda: requests.SettingsWrite(settings=dict(settings)))
        if error(answer):
            raise InputError("device.setting", url=self.url, setting=", ".join(settings))

    def images(self) -> Sequence[ImageSlot]:
        answer = self._ask(ImageStatesRead)
        if error(answer):
            raise self._refused(answer)
        if any(len(state.hash or b"") not in _DIGESTS for state in answer.images):
            what = Words("an image's digest has a wrong length", "ダイジェストの長さが誤っています")
            raise self._malformed(what)
        return [
            ImageSlot(
                slot=state.slot,
                version=_printable(state.version),
                digest=bytes(state.hash or b""),
                active=bool(state.active),
                confirmed=bool(state.confirmed),
                pending=bool(state.pending),
                permanent=bool(state.permanent),
                bootable=bool(state.bootable),
            )
            for state in answer.images
            if not state.image
        ]

    def upload(self, image: bytes) -> Iterator[int]:
        """Offsets as the device says them. Raises ReaderError ``firmware.device`` and ``line.silent``."""
        furthest, before, stalls = -1, -1, 0
        while before != len(image):
            pieces = cast(AsyncGenerator[int], self._client.upload(image, first_timeout_s=self._erasing))
            try:
                while (offset := self._next(pieces)) is not None:
                    stalls = 0 if offset > furthest else stalls + (offset <= before)
                    if offset > len(image) or stalls > _STALLS:
                        raise self._malformed(Words("its offsets are wrong", "オフセットが正しくありません"))
                    before, furthest = offset, max(offset, furthest)
                    yield offset
            except (TimeoutError, SMPUploadError) as lost:
                stalls += 1
                if isinstance(lost, SMPUploadError) and not _forgot_the_offset(lost):
                    raise self._refused(_answer(lost)) from lost
                if stalls > _STALLS:
                    raise self._port.silent(self._timeout, "SMP") from lost
                self._ask(MCUMgrParametersRead)  # a line that is dead shows here, and soon
            finally:
                self._runner.run(pieces.aclose())

    def test(self, digest: bytes) -> None:
        self._write(lambda: ImageStatesWrite(hash=digest, confirm=False))

    def confirm(self, digest: bytes | None = None) -> None:
        self._write(lambda: ImageStatesWrite(hash=digest, confirm=True))

    def erase(self) -> None:
        self._write(ImageErase, seconds=self._erasing)

    def restart(self) -> None:
        """Asked once: whether a lost answer belongs to a device that is starting shows when it is back."""
        answer = self._ask(ResetWrite, tries=1)
        if error(answer):
            raise self._refused(answer)

    @property
    def _erasing(self) -> float:
        return max(_ERASING, self._timeout) if self._timeout >= 1 else self._timeout * 4

    def _board(self) -> str:
        answer = self._ask(lambda: OSApplicationInfoRead(format="i"))
        output = "" if error(answer) else _printable(answer.output.strip())
        return output or _MODEL

    def _write(self, make: Callable[[], Any], seconds: float | None = None) -> None:
        answer = self._ask(make, seconds=seconds)
        if error(answer):
            raise self._refused(answer)

    def _ask(self, make: Callable[[], Any], *, tries: int = TRIES, seconds: float | None = None) -> Any:
        """The answer to a request, which is made anew for each try and so has its own number."""
        waited = seconds or self._timeout
        for left in reversed(range(tries)):
            try:
                return self._run(self._client.request(make(), timeout_s=waited))
            except TimeoutError as late:
                if not left:
                    raise self._port.silent(waited * tries, "SMP") from late
        raise AssertionError("at least one try")

    def _next(self, pieces: AsyncGenerator[int]) -> int | None:
        async def one() -> int | None:
            return await anext(pieces, None)

        return self._run(one())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run smpclient until ``work`` is done; what a device sends wrongly becomes our error."""
        try:
            return self._runner.run(work)
        except SMPUploadError:
            raise
        except SMPBadSequence as late:
            raise TimeoutError("an answer to another request") from late
        except (SMPException, SMPClientException, ValueError, TypeError, AssertionError, CBORError) as wrong:
            what = Words("its answer is not what SMP says", "応答が SMP の規定に合いません")
            raise self._malformed(what) from wrong

    def _refused(self, answer: object) -> ReaderError:
        return ReaderError("firmware.device", url=self.url, what=refusal(answer)[1])

    def _unable(self, answer: object) -> ReaderError:
        code, what = refusal(answer)
        if code == NOT_SUPPORTED:
            return ReaderError("device.unable", url=self.url)
        return ReaderError("firmware.device", url=self.url, what=what)

    def _malformed(self, what: Words) -> ReaderError:
        return ReaderError("smp.malformed", url=self.url, what=what)


def _printable(text: str) -> str:
    """What a device says of itself, so that a terminal is not told anything by it."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_TEXT])


def _answer(refused: SMPUploadError) -> object:
    return refused.args[0] if refused.args else None


def _forgot_the_offset(refused: SMPUploadError) -> bool:
    """A device that has started again meanwhile knows of no upload: it is begun again."""
    code, _ = refusal(_answer(refused))
    return code == INVALID_OFFSET
