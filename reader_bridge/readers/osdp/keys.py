"""Keys of peripherals: where ours comes from, and whose key a peripheral answers with.

The SCBK is a secret of one peripheral. It comes from a master key in a key ring (annex D.6), or from a file
that its owner alone can read; it is in memory while the line is open, since libosdp computes with it.
"""

from __future__ import annotations

import enum
import hmac
import os
import re
from pathlib import Path

from ....apdu.errors import InputError, Words
from ....apdu.ports import open_keyring
from ....apdu.regular_files import read_regular
from ....apdu.scp03.crypto import aes_encrypt_block
from ....apdu.secret import Secret
from .address import OsdpAddress
from .greeting import Challenge, Greeter, Refused

__all__ = ["SCBK_D", "SCBK_LENGTH", "KeyState", "answers_with", "find_key", "key_state", "read_scbk"]

SCBK_D = bytes(range(0x30, 0x40))
"""The key that everybody knows and a new peripheral has (annex D.3)."""
SCBK_LENGTH = 16
USAGE = "osdp-scbk"
VERSION = 1
LARGEST = 256
_S_ENC = bytes((0x01, 0x82))


class KeyState(enum.Enum):
    """Which key a peripheral answers with: the one that we have, SCBK-D, or another."""

    OURS = "ours"
    DEFAULT = "default"
    OTHER = "other"


def find_key(address: OsdpAddress, cuid: bytes) -> Secret | None:
    """The SCBK of the peripheral with this cUID; None when the URL names no key. The caller wipes it.

    Raises InputError ``keyring.*`` or ``osdp.scbk``.
    """
    if address.scbk is not None:
        return read_scbk(address.scbk)
    if not address.ring:
        return None
    ring = open_keyring(address.ring)
    try:
        ref = ring.refer(
            address.master,
            scheme=USAGE,
            diversification=cuid,
            version=VERSION,
            usage=USAGE,
            length=SCBK_LENGTH,
        )
        return ring.reveal_device_key(ref)
    finally:
        if close := getattr(ring, "close", None):
            close()


def read_scbk(path: Path) -> Secret:
    """32 hex digits in a file that others cannot read. Raises InputError ``osdp.scbk``; what stands in the
    file is never quoted."""
    if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
        raise _refused(path, Words("others can read it", "ほかの人も読めます"))
    try:
        text = read_regular(path, LARGEST).decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    except ValueError:
        raise _refused(path, Words("it cannot be read", "読み込めません")) from None
    if not re.fullmatch(r"[0-9A-Fa-f]{32}", text):
        raise _refused(path, Words("it is not 32 hex digits", "16 進数 32 桁ではありません"))
    return Secret(bytes.fromhex(text))


def answers_with(key: Secret, challenge: Challenge) -> bool:
    """Whether the answer to a challenge was made with this key (annex D.4)."""
    salt = _S_ENC + challenge.random[:6] + bytes(8)
    with Secret(aes_encrypt_block(key, salt)) as session:
        expected = aes_encrypt_block(session, challenge.random + challenge.answer.random)
    return hmac.compare_digest(expected, challenge.answer.cryptogram)


def key_state(greeter: Greeter, challenge: Challenge | None, key: Secret | None) -> KeyState:
    """Whose key it has, after a challenge under its own key (None: it refused that). Asks once more, under
    SCBK-D, when that was not ours."""
    with Secret(SCBK_D) as default:
        if challenge is not None:
            if key is not None and answers_with(key, challenge):
                return KeyState.OURS
            if answers_with(default, challenge):
                return KeyState.DEFAULT
        try:
            second = greeter.challenge(default_key=True)
        except Refused:
            return KeyState.OTHER
        return KeyState.DEFAULT if answers_with(default, second) else KeyState.OTHER


def _refused(path: Path, what: Words) -> InputError:
    return InputError("osdp.scbk", path=str(path), what=what)
