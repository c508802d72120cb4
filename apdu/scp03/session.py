"""The open channel: an immutable state and four pure functions (GPC 2.3.1 Amd D §6.2.4–§6.2.7).

The host uses :func:`wrap_command` and :func:`unwrap_response`, the card :func:`unwrap_command` and
:func:`wrap_response`. Each command function returns the state that belongs to the exchange; whoever holds
the channel keeps it only when the exchange was answered.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from ..command import EXTENDED_LE_MAX, SHORT_LE_MAX, Command, Response, Span
from ..ports import SessionKeys
from .crypto import BLOCK, aes_cbc_decrypt, aes_cbc_encrypt, aes_encrypt_block, cmac

__all__ = [
    "LEVELS",
    "Scp03State",
    "SecureMessagingError",
    "level_allowed",
    "unwrap_command",
    "unwrap_response",
    "wrap_command",
    "wrap_response",
]

# Security levels (Amd D table 7-4) and the bits they are made of.
C_MAC, C_ENC, R_MAC, R_ENC = 0x01, 0x02, 0x10, 0x20
LEVELS = (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)

# Bits of the "i" parameter (Amd D table 5-1; S16 from version 1.2).
I_S16, I_PSEUDO_RANDOM, I_R_MAC, I_R_ENC = 0x01, 0x10, 0x20, 0x40

FIRST_SECURE, FURTHER_SECURE = 0x04, 0x20


class SecureMessagingError(ValueError):
    """A message of the channel does not verify. ``sw`` is what a card answers to it."""

    def __init__(self, what: str, sw: int = 0x6982) -> None:
        self.sw = sw
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Scp03State:
    """One channel between two commands, or in the middle of one.

    ``chaining`` is the full 16-byte C-MAC of the last command, ``counter`` the number of that command
    (0 right after EXTERNAL AUTHENTICATE). ``mac_length`` is 8, in S16 mode 16.
    """

    keys: SessionKeys = field(repr=False)
    level: int
    mac_length: int = 8
    chaining: bytes = field(default=bytes(BLOCK), repr=False)
    counter: int = 0

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"{self.level:02X} is not a security level of SCP03")
        if self.mac_length not in (8, 16):
            raise ValueError("a MAC of SCP03 has 8 or 16 bytes")

    @property
    def max_data(self) -> int:
        """The most plain data bytes that one short command carries at this level."""
        room = 255 - (self.mac_length if self.level & C_MAC else 0)
        return room // BLOCK * BLOCK - 1 if self.level & C_ENC else room


def level_allowed(level: int, i: int) -> bool:
    """Whether a card of parameter ``i`` offers ``level``."""
    if level & R_MAC and not i & I_R_MAC:
        return False
    if level & R_ENC and not i & I_R_ENC:
        return False
    return level in LEVELS


def wrap_command(state: Scp03State, command: Command) -> tuple[Scp03State, Command]:
    """Encrypt and MAC one command, as the host does before sending.

    The result is in the extended form when the command was, or when its data no longer fits the short
    one. Raises ValueError for a command that is secured already.
    """
    if not state.level & C_MAC:
        return state, command
    if is_secured(command.cla):
        raise ValueError("the command carries secure messaging already")
    counter, data = state.counter + 1, command.data
    if state.level & C_ENC and data:
        data = aes_cbc_encrypt(state.keys.enc, _icv(state, counter), pad(data))
    extended = command.extended or len(data) + state.mac_length > 255
    chaining = _command_mac(state, command, data, extended)
    body = data + chaining[: state.mac_length]
    wrapped = replace(
        command,
        cla=secured(command.cla),
        data=body,
        le=_secured_le(state, command, extended),
        extended=extended,
        secret=_carried(command.secret, len(command.data), encrypted=bool(state.level & C_ENC)),
        secret_answer=_carried(command.secret_answer, None, encrypted=bool(state.level & R_ENC)),
    )
    return replace(state, chaining=chaining, counter=counter), wrapped


def unwrap_command(state: Scp03State, command: Command) -> tuple[Scp03State, Command]:
    """Verify and decrypt one command, as the card does. Raises SecureMessagingError.

    The whole command is meant: pieces of command chaining are put together before. An encrypted empty
    data field (one block of padding) is accepted as well as none, since hosts differ.
    """
    if not state.level & C_MAC:
        return state, command
    if not is_secured(command.cla):
        raise SecureMessagingError("the command carries no secure messaging")
    if len(command.data) < state.mac_length:
        raise SecureMessagingError("the command carries no MAC")
    data, mac = command.data[: -state.mac_length], command.data[-state.mac_length :]
    chaining = _command_mac(state, command, data, command.extended)
    if not hmac.compare_digest(chaining[: state.mac_length], mac):
        raise SecureMessagingError("the MAC of the command is wrong")
    counter = state.counter + 1
    if state.level & C_ENC and data:
        data = _decrypt(state, counter, data, response=False)
    plain = replace(command, cla=unsecured(command.cla), data=data)
    return replace(state, chaining=chaining, counter=counter), plain


def wrap_response(state: Scp03State, response: Response) -> Response:
    """Encrypt and MAC one response, as the card does; ``state`` is the one of its command.

    Error status words travel bare, without data (Amd D §6.2.5).
    """
    if not state.level & R_MAC:
        return response
    if not has_response_mac(response.sw):
        return Response(b"", response.sw)
    data = response.data
    if state.level & R_ENC and data:
        data = aes_cbc_encrypt(state.keys.enc, _icv(state, state.counter, response=True), pad(data))
    return Response(data + _response_mac(state, data, response.sw), response.sw)


def unwrap_response(state: Scp03State, response: Response) -> Response:
    """Verify and decrypt one response, as the host does; ``state`` is the one of its command.

    Raises SecureMessagingError when an R-MAC should be there and is not, or is wrong, or when an error
    status word carries data that nothing vouches for.
    """
    if not state.level & R_MAC:
        return response
    if not has_response_mac(response.sw):
        if response.data:
            raise SecureMessagingError("an error status word came with data")
        return response
    if len(response.data) < state.mac_length:
        raise SecureMessagingError("the response carries no MAC")
    data, mac = response.data[: -state.mac_length], response.data[-state.mac_length :]
    if not hmac.compare_digest(_response_mac(state, data, response.sw), mac):
        raise SecureMessagingError("the MAC of the response is wrong")
    if state.level & R_ENC and data:
        data = _decrypt(state, state.counter, data, response=True)
    return Response(data, response.sw)


def has_response_mac(sw: int) -> bool:
    """Status words whose responses carry an R-MAC: 9000, 62xx and 63xx (Amd D §6.2.5)."""
    return sw == 0x9000 or sw >> 8 in (0x62, 0x63)


def is_secured(cla: int) -> bool:
    """Whether ``cla`` says secure messaging: b3 in the first form, b6 in the further one."""
    return bool(cla & (FURTHER_SECURE if cla & 0x40 else FIRST_SECURE))


def secured(cla: int) -> int:
    """``cla`` with secure messaging (GPC 2.3.1 §11.1.4)."""
    return cla | (FURTHER_SECURE if cla & 0x40 else FIRST_SECURE)


def unsecured(cla: int) -> int:
    """``cla`` without secure messaging."""
    return cla & ~(FURTHER_SECURE if cla & 0x40 else FIRST_SECURE)


def pad(data: bytes) -> bytes:
    """80 and zeros to a multiple of 16 bytes; always at least one byte."""
    return data + b"\x80" + bytes(-(len(data) + 1) % BLOCK)


def unpad(data: bytes) -> bytes:
    """The inverse of :func:`pad`. Raises SecureMessagingError."""
    plain = data.rstrip(b"\x00")
    if not plain.endswith(b"\x80") or len(data) - len(plain) >= BLOCK:
        raise SecureMessagingError("the padding of encrypted data is wrong")
    return plain[:-1]


def _command_mac(state: Scp03State, command: Command, data: bytes, extended: bool) -> bytes:
    # The MAC sees the CLA of the basic channel, without the chaining bit (Amd D §6.2.4; GPC §11.1.5),
    # and Lc in the form in which it is transmitted.
    cla = command.cla & 0x80 | FIRST_SECURE
    length = len(data) + state.mac_length
    lc = b"\x00" + length.to_bytes(2, "big") if extended else bytes((length,))
    header = bytes((cla, command.ins, command.p1, command.p2))
    return cmac(state.keys.mac, state.chaining + header + lc + data)


def _response_mac(state: Scp03State, data: bytes, sw: int) -> bytes:
    return cmac(state.keys.rmac, state.chaining + data + sw.to_bytes(2, "big"))[: state.mac_length]


def _icv(state: Scp03State, counter: int, *, response: bool = False) -> bytes:
    block = counter.to_bytes(BLOCK, "big")
    if response:
        block = b"\x80" + block[1:]
    return aes_encrypt_block(state.keys.enc, block)


def _decrypt(state: Scp03State, counter: int, data: bytes, *, response: bool) -> bytes:
    if len(data) % BLOCK:
        raise SecureMessagingError("encrypted data is not a multiple of 16 bytes")
    return unpad(aes_cbc_decrypt(state.keys.enc, _icv(state, counter, response=response), data))


def _secured_le(state: Scp03State, command: Command, extended: bool) -> int | None:
    # The answer grows by R-MAC and padding, so an exact Le would cut it off.
    if command.le is None or not state.level & R_MAC:
        return command.le
    return EXTENDED_LE_MAX if extended else SHORT_LE_MAX


def _carried(spans: tuple[Span, ...], length: int | None, *, encrypted: bool) -> tuple[Span, ...]:
    # Encrypted data is hidden whole: with known keys (40…4F on every new card) anybody reads it.
    if encrypted and spans:
        return ((0, None),)
    if length is None:
        return spans
    return tuple(slice(*span).indices(length)[:2] for span in spans)
