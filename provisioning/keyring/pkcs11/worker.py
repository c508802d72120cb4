"""The process that owns the token: it alone loads the module, and carries out one call after the other.

Started by :mod:`.ring` with pipes for standard input and output. It ends when the ring closes its end, when
the token is gone, and with the ring's process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

from ....apdu.errors import TegataError, Words
from ....apdu.secret import Secret
from .wire import READY, decode, encode, read_frame, write_frame

try:
    import pkcs11
    from pkcs11 import PROTECTED_AUTH, TokenFlag

    from .token import TokenRing, ring_name
except ImportError:  # the extra is not installed: the ring gets a sentence
    INSTALLED = False
else:
    INSTALLED = True

__all__ = ["main"]

OPERATIONS = frozenset(
    (
        *("refer", "kcv", "session", "scp02_session", "wrap_for_put_key", "authorize", "sign", "public_key"),
        *(
            "card_challenge",
            "encrypt_dgi",
            "encrypt_dgi_value",
            "encrypt_value",
            "management_response",
            "badge_cryptogram",
            "reveal_pin",
            "reveal_device_key",
        ),
        *("inventory", "create_master", "create_signer"),
    )
)
Answer = list[Any]


class Gone(Exception):
    """The token or its session is lost: nothing further can be done here. ``answer`` says so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[0])
        self.answer = answer


def main() -> None:
    """Serve until the ring is done."""
    incoming, outgoing = _pipes()
    _keep_to_ourselves()
    write_frame(outgoing, READY)
    worker = Worker()
    while True:
        try:
            operation, arguments, named = read_frame(incoming)
        except EOFError:
            break
        try:
            answer = worker.serve(operation, *decode(arguments), **decode(named))
        except Gone as gone:
            write_frame(outgoing, gone.answer)
            break
        write_frame(outgoing, answer)
    worker.close()
    outgoing.flush()
    os._exit(0)  # a module's destructors must not decide how this ends


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Both ends of our own; what a module reads or prints goes nowhere."""
    incoming = os.fdopen(os.dup(0), "rb", buffering=0)
    outgoing = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return incoming, outgoing


def _keep_to_ourselves() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the ring decides when a call is given up
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no keys in a crash dump


class Worker:
    """One module, one token, one session."""

    def __init__(self) -> None:
        self._module = "-"
        self._token: pkcs11.Token | None = None
        self._session: pkcs11.Session | None = None
        self._ring: TokenRing | None = None

    def serve(self, operation: str, /, *arguments: Any, **named: Any) -> Answer:
        """The answer to one request. Raises Gone when it was the last."""
        if not INSTALLED:
            what = Words("the package python-pkcs11 is not installed", "python-pkcs11 が入っていません")
            raise Gone(_error("pkcs11.module", module=named.get("module", "-"), what=what))
        try:
            if operation == "find":
                return ["ok", encode(self._find(*arguments, **named))]
            if operation == "log_in":
                self._log_in(*arguments)
                return ["ok", None]
            if operation not in OPERATIONS or self._ring is None:
                raise ValueError(f"{operation} is no operation of an open ring")
            return ["ok", encode(getattr(self._ring, operation)(*arguments, **named))]
        except TegataError as error:
            details = {"token": self._name} if error.code.startswith("pkcs11.") else {}
            return _error(error.code, **{**error.details, **details})
        except pkcs11.PKCS11Error as error:
            return self._told(error)

    def close(self) -> None:
        """Session objects die with their session."""
        if self._session is not None:
            try:
                self._session.close()
            except pkcs11.PKCS11Error:
                return  # a token that is gone has closed it already

    @property
    def _name(self) -> str:
        return "-" if self._token is None else ring_name(self._token)

    def _find(self, module: str, wanted: dict[str, str]) -> dict[str, Any]:
        """Load the module and choose the token. Raises Gone when there is not exactly one."""
        self._module = module
        try:
            library = pkcs11.lib(module)
        except RuntimeError as error:  # PKCS11Error included: nothing is loaded yet
            what = Words("it cannot be loaded", "読み込めません")
            raise Gone(_error("pkcs11.module", module=module, what=what)) from error
        found = [token for token in _tokens(library) if _fits(token, wanted)]
        if len(found) != 1:
            shown = ";".join(f"{name}={value}" for name, value in wanted.items()) or "-"
            what = (Words("several fit the URL", "URL に合うものが複数あります") if found
                    else Words("it is not there", "見つかりません"))  # fmt: skip
            raise Gone(_error("pkcs11.token", token=shown, what=what))
        self._token = found[0]
        pad = TokenFlag.PROTECTED_AUTHENTICATION_PATH in self._token.flags
        return {"name": self._name, "serial": self._token.serial.decode(errors="replace"), "pad": pad}

    def _log_in(self, pin: Secret | None) -> None:
        """With the PIN, or on the token's own pad. A wrong PIN is not tried again, a last try not at all."""
        if self._token is None:
            raise ValueError("no token is chosen")
        if TokenFlag.USER_PIN_LOCKED in self._token.flags:
            raise Gone(self._pin_error(Words("its PIN is locked", "PIN がロックされています")))
        if TokenFlag.USER_PIN_FINAL_TRY in self._token.flags:
            what = Words(
                "one try is left, which is not spent here: log in once with the token's own program",
                "残り 1 回のため試しません。トークン付属のプログラムで一度ログインしてください",
            )
            raise Gone(self._pin_error(what))
        try:
            given = PROTECTED_AUTH if pin is None else pin.reveal().decode()
            self._session = self._token.open(user_pin=given)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, UnicodeDecodeError) as error:
            raise Gone(self._pin_error(Words("the PIN is wrong", "PIN が違います"))) from error
        except (pkcs11.PinLocked, pkcs11.PinExpired, pkcs11.UserPinNotInitialized) as error:
            what = Words(f"{type(error).__name__}", f"{type(error).__name__}")
            raise Gone(self._pin_error(what)) from error
        self._ring = TokenRing(self._token, self._session)

    def _pin_error(self, what: Words) -> Answer:
        return _error("pkcs11.pin", token=self._name, what=what)

    def _told(self, error: pkcs11.PKCS11Error) -> Answer:
        """What a return value of the module means. Raises Gone when the token is lost with it."""
        name = type(error).__name__
        lost = (
            *(pkcs11.DeviceRemoved, pkcs11.DeviceError, pkcs11.DeviceMemory, pkcs11.TokenNotPresent),
            *(pkcs11.TokenNotRecognised, pkcs11.SlotIDInvalid, pkcs11.SessionClosed),
            *(pkcs11.SessionHandleInvalid, pkcs11.UserNotLoggedIn, pkcs11.GeneralError),
            *(pkcs11.ObjectHandleInvalid, pkcs11.KeyHandleInvalid),
        )
        if isinstance(error, lost):
            what = Words(f"it was removed or failed ({name})", f"取り外されたか、故障しました ({name})")
            raise Gone(_error("pkcs11.token", token=self._name, what=what)) from error
        what = Words(f"its module says {name}", f"モジュールの応答: {name}")
        return _error("pkcs11.refused", token=self._name, what=what)


def _tokens(library: Any) -> Iterator[pkcs11.Token]:
    for slot in library.get_slots(token_present=True):
        try:
            token = slot.get_token()
        except (pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
            continue
        if TokenFlag.TOKEN_INITIALIZED in token.flags:
            yield token


def _fits(token: pkcs11.Token, wanted: dict[str, str]) -> bool:
    said = {
        "token": token.label,
        "serial": token.serial.decode(errors="replace"),
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "slot-id": str(token.slot.slot_id),
    }
    return all(said[name].strip() == value for name, value in wanted.items())


def _error(code: str, **details: Any) -> Answer:
    return ["error", code, encode(details)]


if __name__ == "__main__":
    main()
