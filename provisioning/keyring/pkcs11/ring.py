"""The ring that the rest of the house sees: it passes every operation to the worker, one at a time.

The PIN comes from the URL's ``pin-source``, from the file or descriptor that the environment names, or is
typed; it is kept to log in again should the worker have to be replaced, and tried once only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ....apdu.errors import InputError, TegataError, Words
from ....apdu.ports import ChannelDek, KeyRef, SessionKeys
from ....apdu.secret import Secret
from ..passphrase import read_secret
from .uri import Pkcs11Uri
from .wire import decode, encode, read_frame, write_frame

__all__ = ["PIN_FD", "PIN_FILE", "Pkcs11KeyRing", "open_keyring"]

PIN_FILE = "TEGATA_PKCS11_PIN_FILE"
PIN_FD = "TEGATA_PKCS11_PIN_FD"
_STARTING = 60.0  # seconds for a Python process to come up on a busy machine


def open_keyring(rest: str) -> Pkcs11KeyRing:
    """The ring that ``pkcs11:REST`` names (RFC 7512). Raises InputError ``pkcs11.*``."""
    return Pkcs11KeyRing.open(Pkcs11Uri.parse(rest))


class Pkcs11KeyRing:
    """Keys of one token. Threads share it, one call after the other; after a fork both processes may go on,
    each with a worker of its own."""

    def __init__(self, uri: Pkcs11Uri) -> None:
        self._uri = uri
        self._pin: Secret | None = None
        self._name = ""
        self._worker: _WorkerProcess | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._refusal: TegataError | None = None
        _RINGS.add(self)

    @classmethod
    def open(cls, uri: Pkcs11Uri, pin: Secret | None = None) -> Pkcs11KeyRing:
        """Find the token and log in, once. Raises InputError ``pkcs11.module``, ``pkcs11.token``,
        ``pkcs11.pin`` or ``pkcs11.silent``, ``keyring.no_passphrase`` when nobody can be asked."""
        ring = cls(uri)
        ring._pin = None if pin is None else Secret(pin.reveal())
        try:
            with ring._lock:
                ring._start()
        except BaseException:
            ring.close()
            raise
        return ring

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"Pkcs11KeyRing({self._name!r})"

    def close(self) -> None:
        """End the worker and forget the PIN."""
        self._closed = True
        with self._lock:
            self._stop()
        if self._pin is not None:
            self._pin.wipe()

    def refer(
        self,
        master: str,
        *,
        scheme: str,
        diversification: bytes,
        version: int,
        usage: str,
        length: int = 16,
        algorithm: str = "aes",
    ) -> KeyRef:
        ref: KeyRef = self._call(
            "refer",
            master,
            scheme=scheme,
            diversification=diversification,
            version=version,
            usage=usage,
            length=length,
            algorithm=algorithm,
        )
        return ref

    def kcv(self, ref: KeyRef) -> bytes:
        return bytes(self._call("kcv", ref))

    def session(
        self, enc: KeyRef, mac: KeyRef, *, host_challenge: bytes, card_challenge: bytes
    ) -> SessionKeys:
        challenges = {"host_challenge": host_challenge, "card_challenge": card_challenge}
        keys: SessionKeys = self._call("session", enc, mac, **challenges)
        return keys

    def card_challenge(self, enc: KeyRef, *, sequence: int, aid: bytes, length: int) -> bytes:
        return bytes(self._call("card_challenge", enc, sequence=sequence, aid=aid, length=length))

    def scp02_session(self, enc: KeyRef, mac: KeyRef, *, sequence: bytes) -> SessionKeys:
        keys: SessionKeys = self._call("scp02_session", enc, mac, sequence=sequence)
        return keys

    def wrap_for_put_key(self, dek: KeyRef | ChannelDek, key: KeyRef) -> bytes:
        return bytes(self._call("wrap_for_put_key", dek, key))

    def authorize(self, ref: KeyRef, data: bytes) -> bytes:
        return bytes(self._call("authorize", ref, data))

    def sign(self, key: str, data: bytes) -> bytes:
        return bytes(self._call("sign", key, data))

    def public_key(self, key: str) -> bytes:
        return bytes(self._call("public_key", key))

    def encrypt_dgi(self, dek: KeyRef | ChannelDek, value: KeyRef) -> bytes:
        return bytes(self._call("encrypt_dgi", dek, value))

    def encrypt_dgi_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        return bytes(self._call("encrypt_dgi_value", dek, value))

    def encrypt_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        return bytes(self._call("encrypt_value", dek, value))

    def management_response(self, ref: KeyRef, witness: bytes, host_challenge: bytes) -> tuple[bytes, bytes]:
        answer, expected = self._call("management_response", ref, witness, host_challenge)
        return answer, expected

    def badge_cryptogram(self, ref: KeyRef, data: bytes) -> bytes:
        return bytes(self._call("badge_cryptogram", ref, data))

    def reveal_pin(self, ref: KeyRef) -> Secret:
        pin: Secret = self._call("reveal_pin", ref)
        return pin

    def reveal_device_key(self, ref: KeyRef) -> Secret:
        key: Secret = self._call("reveal_device_key", ref)
        return key

    def inventory(self) -> list[dict[str, Any]]:
        """Every key object of the token: label, algorithm, bits, what it ``serves`` (``master``, ``fixed``,
        ``signer`` or ``nothing``), kcv, origin, remark."""
        lines: list[dict[str, Any]] = self._call("inventory")
        return lines

    def generate(self, label: str, length: int = 32, *, algorithm: str = "aes") -> None:
        """A new master, made on the token, that can derive and nothing else. Raises InputError
        ``keyring.label``, ``keyring.reference`` or ``pkcs11.refused``."""
        self._call("create_master", label, algorithm, length)

    def import_master(self, label: str, key: Secret, *, fixed: bool = False, algorithm: str = "aes") -> None:
        """A master that comes from elsewhere; ``fixed`` for one that is on the cards themselves."""
        self._call("create_master", label, algorithm, len(key), key, fixed)

    def generate_signer(self, label: str, kind: str) -> None:
        """A new private key that signs tokens and load files: ``rsa-2048``, ``secp256r1`` and their like."""
        self._call("create_signer", label, kind)

    def _call(self, operation: str, /, *arguments: Any, **named: Any) -> Any:
        with self._lock:
            if self._closed:
                raise ValueError("this ring is closed")
            if self._refusal is not None:
                raise self._refusal
            if self._worker is None:
                self._start()
            return self._ask(operation, *arguments, **named)

    def _start(self) -> None:
        self._worker = _WorkerProcess()
        self._heard(_STARTING, self._worker.listen)
        token = self._ask("find", module=self._uri.module, wanted=dict(self._uri.token))
        if self._name and token["name"] != self._name:
            self._stop()
            what = Words("another one is there now", "別のトークンに替わっています")
            raise InputError("pkcs11.token", token=self._name, what=what)
        self._name = token["name"]
        if not token["pad"] and self._pin is None:
            try:
                self._pin = self._read_pin()
            except BaseException:
                self._stop()
                raise
        self._ask("log_in", None if token["pad"] else self._pin)

    def _read_pin(self) -> Secret:
        given = {PIN_FILE: str(self._uri.pin_source)} if self._uri.pin_source else None
        return read_secret(
            f"PIN of the token {self._name}", file=PIN_FILE, descriptor=PIN_FD, environment=given
        )

    def _ask(self, operation: str, /, *arguments: Any, **named: Any) -> Any:
        worker = self._worker
        if worker is None:
            raise ValueError("no worker is there")
        request = [operation, encode(list(arguments)), encode(named)]
        answer = self._heard(self._uri.timeout, lambda: worker.exchange(request))
        if answer[0] == "ok":
            return decode(answer[1])
        _, code, details = answer
        if code in ("pkcs11.module", "pkcs11.token", "pkcs11.pin"):
            self._stop()
        refusal = InputError(code, **decode(details))
        if code == "pkcs11.pin":
            self._refusal = refusal  # no second try by itself
        raise refusal

    def _heard(self, seconds: float, listen: Callable[[], list[Any]]) -> list[Any]:
        """What the worker says within that time. Raises InputError ``pkcs11.silent``."""
        worker = self._worker
        if worker is None:
            raise ValueError("no worker is there")
        try:
            with worker.watched(seconds):
                return listen()
        except (EOFError, OSError) as error:
            late = worker.late
            self._stop()
            what = Words("its process ended", "プロセスが終了しました")
            if late:
                what = Words(f"within {seconds:g} s", f"{seconds:g} 秒以内")
            raise InputError("pkcs11.silent", module=self._uri.module, what=what) from error
        except BaseException:  # interrupted: the answer that is still to come must not meet the next question
            self._stop()
            raise

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _after_fork(self) -> None:
        """In the child: the worker is the parent's. The next call starts one of our own."""
        self._lock = threading.Lock()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.leave()


class _WorkerProcess:
    """The worker and the pipes to it."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", f"{__package__}.worker"]
        # PIPE twice, and nothing of ours inherited: when this process ends, the worker reads the end.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self.late = False

    def exchange(self, request: list[Any]) -> list[Any]:
        """Raises EOFError or OSError when the worker is gone."""
        if self._process.stdin is None:
            raise ValueError("the worker has no pipes")
        write_frame(self._process.stdin, request)  # type: ignore[arg-type]
        return self.listen()

    def listen(self) -> list[Any]:
        """The next frame."""
        if self._process.stdout is None:
            raise ValueError("the worker has no pipes")
        return read_frame(self._process.stdout)  # type: ignore[arg-type]

    @contextmanager
    def watched(self, seconds: float) -> Iterator[None]:
        """Kill the worker when this takes longer: what waits for it then reads the end."""
        timer = threading.Timer(seconds, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _too_late(self) -> None:
        self.late = True
        self._process.kill()

    def end(self) -> None:
        """Let it finish, kill it when it does not."""
        self._close_pipes()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def leave(self) -> None:
        """Forget a worker that is another process's child."""
        self._close_pipes()
        self._process.returncode = 0  # nothing for us to wait for

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


_RINGS: weakref.WeakSet[Pkcs11KeyRing] = weakref.WeakSet()


def _forked() -> None:
    for ring in list(_RINGS):
        ring._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
