"""The open channel: an immutable state and four pure functions (GPC 2.3.1 Amd D §6.2.4–§6.2.7).

The host uses :func:`wrap_command` and :func:`unwrap_response`, the card :func:`unwrap_command` and
:func:`wrap_response`. Each command function returns the state that belongs to the exchange; whoever holds
the channel keeps it only when the exchange was answered.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from ..command import Command, Response
from ..ports import SessionKeys
from ..secure_messaging import (
    C_ENC,
    C_MAC,
    R_ENC,
    R_MAC,
    Overhead,
    SecureMessagingError,
    basic_cla,
    carried,
    is_secured,
    is_warning,
    length_field,
    pad,
    secured,
    secured_le,
    unpad,
    unsecured,
)
from .crypto import BLOCK, SessionCiphers

__all__ = [
    "I_PSEUDO_RANDOM",
    "I_S16",
    "LEVELS",
    "VARIANTS",
    "Scp03State",
    "answered",
    "level_allowed",
    "unwrap_command",
    "unwrap_response",
    "wrap_command",
    "wrap_response",
]

# Security levels (Amd D table 7-6).
LEVELS = (0x00, 0x01, 0x03, 0x11, 0x13, 0x33)

# Bits of the "i" parameter (Amd D table 5-1; S16 from version 1.2).
I_S16, I_PSEUDO_RANDOM, I_R_MAC, I_R_ENC = 0x01, 0x10, 0x20, 0x40
VARIANTS = frozenset(i | mode for i in (0x00, 0x10, 0x20, 0x30, 0x60, 0x70) for mode in (0x00, I_S16))

INS_BEGIN_R_MAC_SESSION, INS_END_R_MAC_SESSION = 0x7A, 0x78


@dataclass(frozen=True, slots=True)
class Scp03State:
    """One channel between two commands, or in the middle of one.

    ``chaining`` is the full 16-byte C-MAC of the last command, ``counter`` the number of that command
    (0 right after EXTERNAL AUTHENTICATE). ``mac_length`` is 8, in S16 mode 16. ``asked`` is the header of
    the command that is being answered, ``r_session`` what BEGIN R-MAC SESSION added to the level.

    ``counts_all`` False is for cards that, against §6.2.6, do not count commands without data. ``ciphers``
    are made of ``keys`` at the first command and handed on.
    """

    keys: SessionKeys = field(repr=False)
    level: int
    mac_length: int = 8
    chaining: bytes = field(default=bytes(BLOCK), repr=False)
    counter: int = 0
    asked: bytes = b""
    r_session: int = 0
    counts_all: bool = True
    ciphers: SessionCiphers | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"{self.level:02X} is not a security level of SCP03")
        if self.mac_length not in (8, 16):
            raise ValueError("a MAC of SCP03 has 8 or 16 bytes")

    @property
    def response_level(self) -> int:
        """The level that responses have now: that of the channel, raised by an R-MAC session."""
        return self.level | self.r_session

    @property
    def max_data(self) -> int:
        """The most plain data bytes that one short command carries at this level."""
        return self.overhead.room(255)

    @property
    def overhead(self) -> Overhead:
        """What this level adds to a command."""
        return Overhead(self.mac_length if self.level & C_MAC else 0, BLOCK if self.level & C_ENC else 0)


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
    counter, data, ciphers = _next_counter(state, command.data), command.data, _ciphers(state)
    if state.level & C_ENC and data:
        data = ciphers.encrypt(_icv_block(counter), pad(data, BLOCK))
    extended = command.extended or len(data) + state.mac_length > 255
    chaining = ciphers.command_mac(_command_mac_input(state, command, data, extended))
    wrapped = Command(
        secured(command.cla),
        command.ins,
        command.p1,
        command.p2,
        data + chaining[: state.mac_length],
        secured_le(command, extended=extended, grows=bool(state.response_level & R_MAC)),
        extended,
        carried(command.secret, len(command.data), encrypted=bool(state.level & C_ENC)),
        carried(command.secret_answer, None, encrypted=bool(state.response_level & R_ENC)),
    )
    return _advanced(state, ciphers, chaining, counter, command.header), wrapped


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
    ciphers = _ciphers(state)
    chaining = ciphers.command_mac(_command_mac_input(state, command, data, command.extended))
    if not hmac.compare_digest(chaining[: state.mac_length], mac):
        raise SecureMessagingError("the MAC of the command is wrong")
    counter = _next_counter(state, data)
    if state.level & C_ENC and data:
        data = _decrypt(ciphers, _icv_block(counter), data)
    plain = replace(command, cla=unsecured(command.cla), data=data)
    return _advanced(state, ciphers, chaining, counter, plain.header), plain


def wrap_response(state: Scp03State, response: Response) -> Response:
    """Encrypt and MAC one response, as the card does; ``state`` is the one of its command.

    Error status words travel bare, without data (Amd D §6.2.5).
    """
    if not state.response_level & R_MAC:
        return response
    if not is_warning(response.sw):
        return Response(b"", response.sw)
    data, ciphers = response.data, _ciphers(state)
    if state.response_level & R_ENC and data:
        data = ciphers.encrypt(_icv_block(state.counter, response=True), pad(data, BLOCK))
    return Response(data + _response_mac(state, ciphers, data, response.sw), response.sw)


def unwrap_response(state: Scp03State, response: Response) -> Response:
    """Verify and decrypt one response, as the host does; ``state`` is the one of its command.

    Raises SecureMessagingError when an R-MAC should be there and is not, or is wrong, or when an error
    status word carries data that nothing vouches for.
    """
    if not state.response_level & R_MAC:
        return response
    if not is_warning(response.sw):
        if response.data:
            raise SecureMessagingError("an error status word came with data")
        return response
    if len(response.data) < state.mac_length:
        raise SecureMessagingError("the response carries no MAC")
    data, mac = response.data[: -state.mac_length], response.data[-state.mac_length :]
    ciphers = _ciphers(state)
    if not hmac.compare_digest(_response_mac(state, ciphers, data, response.sw), mac):
        raise SecureMessagingError("the MAC of the response is wrong")
    if state.response_level & R_ENC and data:
        data = _decrypt(ciphers, _icv_block(state.counter, response=True), data)
    return Response(data, response.sw)


def answered(state: Scp03State, sw: int) -> Scp03State:
    """The state after an exchange that ended with ``sw``, the same on both sides.

    BEGIN R-MAC SESSION raises what the responses after it carry, END R-MAC SESSION takes that back
    (Amd D §7.1.3, §7.1.4); no other command changes anything.
    """
    if sw != 0x9000 or not state.asked or not state.asked[0] & 0x80:
        return state
    _, ins, p1, _ = state.asked
    if ins == INS_BEGIN_R_MAC_SESSION:
        return replace(state, r_session=p1 & (R_MAC | R_ENC))
    return replace(state, r_session=0) if ins == INS_END_R_MAC_SESSION else state


def _ciphers(state: Scp03State) -> SessionCiphers:
    return state.ciphers or SessionCiphers(state.keys)


def _advanced(
    state: Scp03State, ciphers: SessionCiphers, chaining: bytes, counter: int, asked: bytes
) -> Scp03State:
    """The state after one more command. Written out, since ``replace`` takes twice as long."""
    return Scp03State(
        state.keys,
        state.level,
        state.mac_length,
        chaining,
        counter,
        asked,
        state.r_session,
        state.counts_all,
        ciphers,
    )


def _command_mac_input(state: Scp03State, command: Command, data: bytes, extended: bool) -> bytes:
    # The MAC sees the CLA of the basic channel (Amd D §6.2.4), and Lc in the form in which it is transmitted.
    cla = secured(basic_cla(command.cla))
    lc = length_field(len(data) + state.mac_length, extended=extended)
    return state.chaining + bytes((cla, command.ins, command.p1, command.p2)) + lc + data


def _response_mac(state: Scp03State, ciphers: SessionCiphers, data: bytes, sw: int) -> bytes:
    return ciphers.response_mac(state.chaining + data + sw.to_bytes(2, "big"))[: state.mac_length]


def _next_counter(state: Scp03State, data: bytes) -> int:
    return state.counter + 1 if data or state.counts_all else state.counter


def _icv_block(counter: int, *, response: bool = False) -> bytes:
    block = counter.to_bytes(BLOCK, "big")
    return b"\x80" + block[1:] if response else block


def _decrypt(ciphers: SessionCiphers, icv_block: bytes, data: bytes) -> bytes:
    if len(data) % BLOCK:
        raise SecureMessagingError("encrypted data is not a multiple of 16 bytes")
    return unpad(ciphers.decrypt(icv_block, data), BLOCK)
