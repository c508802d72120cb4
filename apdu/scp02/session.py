"""The open channel of SCP02: an immutable state and four pure functions (GPC 2.3.1 §E.4.4–§E.4.6).

The host uses :func:`wrap_command` and :func:`unwrap_response`, the card :func:`unwrap_command` and
:func:`wrap_response`. All four return the state that belongs to the exchange, since responses are chained as
commands are; whoever holds the channel keeps it only when the exchange was answered.

Both sides follow BEGIN and END R-MAC SESSION by themselves (§E.5.3, §E.5.4): whoever sends or receives these
commands through the channel has nothing else to do.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace

from ..command import Command, Response
from ..des import BLOCK, cbc_decrypt, cbc_encrypt, ecb_encrypt, retail_mac
from ..ports import SessionKeys
from ..secret import Secret
from ..secure_messaging import (
    C_ENC,
    C_MAC,
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
from .crypto import ZERO_ICV
from .options import LEVELS, Options

__all__ = [
    "LEVELS",
    "Scp02State",
    "begin_r_mac_session",
    "command_mac",
    "end_r_mac_session",
    "next_icv",
    "unwrap_command",
    "unwrap_response",
    "wrap_command",
    "wrap_response",
]

INS_BEGIN_R_MAC_SESSION, INS_END_R_MAC_SESSION = 0x7A, 0x78
IN_EVERY_RESPONSE, ONLY_AT_END = 0x10, 0x00
BEGIN, RETURN, END_AND_RETURN = 0x01, 0x01, 0x03
CHALLENGE_MAX = 24
SUCCESS = 0x9000


@dataclass(frozen=True, slots=True)
class Scp02State:
    """One channel between two commands, or in the middle of one.

    ``icv`` starts the next C-MAC (encrypted already, where i says so); ``r_start`` starts the first R-MAC,
    ``r_icv`` the next one. ``r_session`` is P1 of the BEGIN R-MAC SESSION in force, None without one.
    ``asked`` is the plain command that is being answered, as R-MACs cover it.
    """

    keys: SessionKeys = field(repr=False)
    level: int
    i: int
    icv: bytes = field(default=ZERO_ICV, repr=False)
    r_start: bytes = field(default=ZERO_ICV, repr=False)
    r_icv: bytes = field(default=ZERO_ICV, repr=False)
    r_session: int | None = None
    asked: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        Options(self.i)
        if self.level not in LEVELS:
            raise ValueError(f"{self.level:02X} is not a security level of SCP02")

    @property
    def response_macs(self) -> bool:
        """Whether each response carries an R-MAC now."""
        return bool(self.level & R_MAC) or self.r_session == IN_EVERY_RESPONSE

    @property
    def response_level(self) -> int:
        """The level of the channel, raised by an R-MAC session."""
        return self.level | (R_MAC if self.response_macs else 0)

    @property
    def max_data(self) -> int:
        """The most plain data bytes that one short command carries at this level."""
        return self.overhead.room(255)

    @property
    def overhead(self) -> Overhead:
        """What this level adds to a command."""
        return Overhead(BLOCK if self.level & C_MAC else 0, BLOCK if self.level & C_ENC else 0)


def begin_r_mac_session(challenge: bytes = b"", *, every: bool = True) -> Command:
    """BEGIN R-MAC SESSION with up to 24 bytes that its R-MAC covers (§E.5.3).

    With ``every`` each response carries an R-MAC from now on, else only that of END R-MAC SESSION.
    """
    if len(challenge) > CHALLENGE_MAX:
        raise ValueError(f"BEGIN R-MAC SESSION carries at most {CHALLENGE_MAX} bytes, got {len(challenge)}")
    data = bytes((len(challenge),)) + challenge
    p1 = IN_EVERY_RESPONSE if every else ONLY_AT_END
    return Command(0x80, INS_BEGIN_R_MAC_SESSION, p1, BEGIN, data)


def end_r_mac_session(*, finish: bool = True) -> Command:
    """END R-MAC SESSION: returns the current R-MAC, and ends the session when ``finish`` (§E.5.4)."""
    return Command(0x80, INS_END_R_MAC_SESSION, 0x00, END_AND_RETURN if finish else RETURN, le=256)


def wrap_command(state: Scp02State, command: Command) -> tuple[Scp02State, Command]:
    """MAC and encrypt one command, as the host does before sending.

    The result is in the extended form when the command was, or when its data no longer fits the short
    one. Raises ValueError for a command that is secured already.
    """
    state = replace(state, asked=_asked(command))
    if is_secured(command.cla):
        raise ValueError("the command carries secure messaging already")
    data = command.data
    if state.level & C_ENC and data:
        data = cbc_encrypt(state.keys.enc, ZERO_ICV, pad(data, BLOCK))
    macs = bool(state.level & C_MAC)
    extended = command.extended or len(data) + (BLOCK if macs else 0) > 255
    wrapped = replace(
        command,
        extended=extended,
        le=secured_le(command, extended=extended, grows=state.response_macs),
        secret=carried(command.secret, len(command.data), encrypted=bool(state.level & C_ENC)),
    )
    if not macs:
        return state, wrapped
    mac = command_mac(state, command, extended=extended)
    return replace(state, icv=next_icv(state, mac)), replace(
        wrapped, cla=secured(command.cla), data=data + mac
    )


def unwrap_command(state: Scp02State, command: Command) -> tuple[Scp02State, Command]:
    """Decrypt and verify one command, as the card does. Raises SecureMessagingError.

    The whole command is meant: pieces of command chaining are put together before. An encrypted empty
    data field (one block of padding) is accepted as well as none, since hosts differ.
    """
    if not state.level & C_MAC:
        return replace(state, asked=_asked(command)), command
    if not is_secured(command.cla):
        raise SecureMessagingError("the command carries no secure messaging")
    if len(command.data) < BLOCK:
        raise SecureMessagingError("the command carries no MAC")
    data, mac = command.data[:-BLOCK], command.data[-BLOCK:]
    if state.level & C_ENC and data:
        if len(data) % BLOCK:
            raise SecureMessagingError("encrypted data is not a multiple of 8 bytes")
        data = unpad(cbc_decrypt(state.keys.enc, ZERO_ICV, data), BLOCK)
    plain = replace(command, cla=unsecured(command.cla), data=data)
    true_mac = command_mac(state, plain, extended=command.extended)
    if not hmac.compare_digest(true_mac, mac):
        raise SecureMessagingError("the MAC of the command is wrong")
    return replace(state, icv=next_icv(state, mac), asked=_asked(plain)), plain


def wrap_response(state: Scp02State, response: Response) -> tuple[Scp02State, Response]:
    """MAC one response, as the card does; ``state`` is the one of its command.

    Error status words travel bare, but their R-MAC is computed and starts the next one (§E.4.5): a host
    sees at the next success whether the error was true.
    """
    if _ends(state):
        return _ended(state, response.sw), Response(state.r_icv if response.ok else b"", response.sw)
    after = _answered(state, response)
    if not state.response_macs:
        return after, response
    if not is_warning(response.sw):
        return after, Response(b"", response.sw)
    return after, Response(response.data + after.r_icv, response.sw)


def unwrap_response(state: Scp02State, response: Response) -> tuple[Scp02State, Response]:
    """Verify one response, as the host does; ``state`` is the one of its command.

    Raises SecureMessagingError when an R-MAC should be there and is not, or is wrong, or when an error
    status word carries data that nothing vouches for.
    """
    if _ends(state):
        _verify(state.r_icv if response.ok else b"", response.data)
        return _ended(state, response.sw), response
    if not state.response_macs:
        return _answered(state, response), response
    if not is_warning(response.sw) and not response.data:
        return _answered(state, response), response
    if len(response.data) < BLOCK:
        raise SecureMessagingError("the response carries no MAC")
    plain = Response(response.data[:-BLOCK], response.sw)
    if not is_warning(response.sw) and plain.data:
        raise SecureMessagingError("an error status word came with data")
    after = _answered(state, plain)
    _verify(after.r_icv, response.data[-BLOCK:])
    return after, plain


def command_mac(state: Scp02State, command: Command, *, extended: bool = False) -> bytes:
    """The C-MAC of a plain ``command``: 8 bytes (§E.4.4). Lc is there even when there is no data.

    A logical channel is not covered, and a command that encryption makes extended is MACed as such.
    """
    options, cla, length = Options(state.i), basic_cla(command.cla), len(command.data)
    if not options.unmodified:
        cla, length = secured(cla), length + BLOCK
    header = bytes((cla, command.ins, command.p1, command.p2))
    message = header + length_field(length, extended=extended) + command.data
    return retail_mac(state.keys.mac, state.icv, pad(message, BLOCK))


def next_icv(state: Scp02State, mac: bytes) -> bytes:
    """What starts the C-MAC after ``mac``: single DES of it where i says so (§E.3.4)."""
    if not Options(state.i).icv_encryption:
        return mac
    return ecb_encrypt(Secret(state.keys.mac.reveal()[:BLOCK]), mac)


def _asked(command: Command) -> bytes:
    header = bytes((basic_cla(command.cla), command.ins, command.p1, command.p2))
    long = len(command.data) > 255
    return header + length_field(len(command.data), extended=long) + command.data


def _is(state: Scp02State, ins: int) -> bool:
    return len(state.asked) > 1 and bool(state.asked[0] & 0x80) and state.asked[1] == ins


def _chains(state: Scp02State) -> bool:
    """Whether R-MACs are computed now, returned or not."""
    return bool(state.level & R_MAC) or state.r_session is not None


def _ends(state: Scp02State) -> bool:
    """Whether the command is the END R-MAC SESSION of a session: the one command that no R-MAC covers."""
    return _chains(state) and _is(state, INS_END_R_MAC_SESSION)


def _ended(state: Scp02State, sw: int) -> Scp02State:
    finished = sw == SUCCESS and state.asked[3] == END_AND_RETURN
    return replace(state, r_session=None) if finished else state


def _answered(state: Scp02State, response: Response) -> Scp02State:
    """The state after the plain ``response``: the chain goes on, or BEGIN R-MAC SESSION starts it."""
    if not _chains(state):
        if response.sw != SUCCESS or not _is(state, INS_BEGIN_R_MAC_SESSION):
            return state
        state = replace(state, r_session=state.asked[2], r_icv=state.r_start)
    data = response.data if is_warning(response.sw) else b""
    message = state.asked + bytes((len(data) % 256,)) + data + response.sw.to_bytes(2, "big")
    return replace(state, r_icv=retail_mac(state.keys.rmac, state.r_icv, pad(message, BLOCK)))


def _verify(expected: bytes, received: bytes) -> None:
    if not hmac.compare_digest(expected, received):
        raise SecureMessagingError("the MAC of the response is wrong")
