"""The OPEN: SELECT by AID, logical channels, chaining, GET RESPONSE (GPC 2.3.1 §6, ISO 7816-4 §11.2).

``step`` is pure: it reads non-volatile and volatile memory and returns the response, the new volatile memory
and the list of writes; nothing is changed in place. Applying the writes is the device's business.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ...apdu.command import Command, Response
from .application import Application, CardStatus, Context, DomainContext, Entropy
from .policy import CardPolicy
from .registry import Kind, LifeCycle, RegistryEntry, entries, entry_key, implicit

__all__ = ["Channel", "Machine", "Outcome", "Ram", "Write", "check_memory", "power_up", "step"]

log = logging.getLogger(__name__)

INS_SELECT, INS_MANAGE_CHANNEL, INS_GET_RESPONSE = 0xA4, 0x70, 0xC0
INS_PERFORM_SECURITY_OPERATION = 0x2A
OPENING = frozenset((INS_PERFORM_SECURITY_OPERATION, 0x50, 0x82, 0x88))
"""What opens a secure channel: also INITIALIZE UPDATE, EXTERNAL, MUTUAL and INTERNAL AUTHENTICATE."""
CHAINING = 0x10
MAX_CHAINED = 65535
SEGMENTED, MORE_SEGMENTS = (0xD8, 0xE4, 0xE6), 0x80
"""PUT KEY, DELETE and INSTALL; for LOAD and STORE DATA the bit means the last block."""
FACTORY_VERSION = 0xFF
"""As P1 of PUT KEY, the version that is replaced."""
OUT_OF_USE = (LifeCycle.CARD_LOCKED, LifeCycle.CARD_TERMINATED)


@dataclass(frozen=True, slots=True)
class Write:
    """One physical write. ``value`` None deletes. ``BEGIN``/``COMMIT`` (key None) bracket a transaction."""

    key: str | None
    value: bytes | None = field(default=None, repr=False)
    atomic: bool = True
    mark: str = ""


BEGIN, COMMIT = Write(None, mark="begin"), Write(None, mark="commit")


Segments = tuple[int, int, bytes]
"""INS, P2 and the data so far of a command that comes in pieces."""


@dataclass(slots=True)
class Channel:
    """Volatile memory of one logical channel."""

    selected: bytes
    secure: tuple[bytes, Any] | None = None
    target: bytes | None = None
    chain: tuple[bytes, bytes] | None = None
    pending: bytes = b""
    pending_sw: int = 0x9000
    segments: Segments | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    domain_memory: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> Channel:
        return replace(self, memory=dict(self.memory), domain_memory=dict(self.domain_memory))


@dataclass(slots=True)
class Ram:
    """Everything that a reset clears."""

    contactless: bool = False
    channels: dict[int, Channel] = field(default_factory=dict)
    reset_memory: dict[bytes, dict[str, Any]] = field(default_factory=dict)
    cvm: str = ""

    def copy(self) -> Ram:
        return Ram(
            self.contactless,
            {number: channel.copy() for number, channel in self.channels.items()},
            {aid: dict(memory) for aid, memory in self.reset_memory.items()},
            self.cvm,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step does: ``writes`` must be applied in order before ``response`` leaves the card."""

    response: bytes = field(repr=False)
    ram: Ram = field(repr=False)
    writes: tuple[Write, ...]
    cost: Counter[str]


def check_memory(nv: Mapping[str, bytes]) -> None:
    """Raises ValueError unless ``nv`` is the memory of a card that this version can run."""
    try:
        CardPolicy.from_bytes(nv["card/policy"])
        for contactless in (False, True):
            power_up(nv, contactless=contactless)
        for entry in entries(nv):
            if entry.kind is not Kind.PACKAGE:
                load_model(entry.model)
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise ValueError("this is not the memory of a card") from error


def power_up(nv: Mapping[str, bytes], *, contactless: bool = False) -> tuple[Ram, bytes]:
    """Fresh volatile memory and the ATR. The default application is selected on the basic channel."""
    ram = Ram(contactless=contactless)
    found = entries(nv)
    ram.channels[0] = Channel(_first(found, 0, contactless=contactless).aid)
    return ram, nv["card/atr-contactless" if contactless else "card/atr-contact"]


def _first(registry: list[RegistryEntry], channel: int, *, contactless: bool) -> RegistryEntry:
    """What is current on a channel that opens; the issuer's domain unless something else asked for it."""
    issuer = next(entry for entry in registry if entry.kind is Kind.ISSUER_DOMAIN)
    if issuer.life_cycle in OUT_OF_USE:
        return issuer
    return implicit(registry, channel, contactless=contactless) or issuer


def step(nv: Mapping[str, bytes], ram: Ram, command: bytes, entropy: Entropy) -> Outcome:
    """Process one command APDU. Pure: neither ``nv`` nor ``ram`` is changed."""
    machine = Machine(nv, ram.copy(), entropy)
    try:
        response = machine.run(command)
    except CardStatus as status:
        response = Response(status.data, status.sw)
    except Exception:
        log.exception("the simulated card failed on INS %02X", command[1] if len(command) > 1 else 0)
        response = Response(sw=0x6F00)
    machine.abort_open_transaction()
    return Outcome(bytes(response), machine.ram, tuple(machine.writes), machine.cost)


class Machine:
    """One step in the making: an overlay over ``nv``, a copy of ``ram``, and the writes so far."""

    def __init__(self, nv: Mapping[str, bytes], ram: Ram, entropy: Entropy) -> None:
        self._nv = nv
        self.ram = ram
        self.entropy = entropy
        self.writes: list[Write] = []
        self.cost: Counter[str] = Counter()
        self.command_level = 0
        self._overlay: dict[str, bytes | None] = {}
        self._transaction: dict[str, bytes | None] | None = None
        self._transaction_start = 0
        self.policy = CardPolicy.from_bytes(nv["card/policy"])

    # memory

    def read(self, key: str, default: bytes) -> bytes:
        value = self._overlay[key] if key in self._overlay else self._nv.get(key)
        return default if value is None else value

    def has(self, key: str) -> bool:
        return self._overlay[key] is not None if key in self._overlay else key in self._nv

    def view(self) -> dict[str, bytes]:
        """All of non-volatile memory as the current step sees it."""
        merged: dict[str, bytes | None] = {**self._nv, **self._overlay}
        return {key: value for key, value in merged.items() if value is not None}

    def write(self, key: str, value: bytes | None, *, atomic: bool) -> None:
        self._overlay[key] = value
        self.writes.append(Write(key, value, atomic))
        self.cost["nv_write"] += 1
        self.cost["nv_write_bytes"] += len(value or b"")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._transaction is not None:
            raise RuntimeError("transactions of a card do not nest")
        self._transaction, self._transaction_start = dict(self._overlay), len(self.writes)
        self.writes.append(BEGIN)
        try:
            yield
        except BaseException:
            self.abort_open_transaction()
            raise
        self._transaction = None
        if self.writes[-1] is BEGIN:
            self.writes.pop()
        else:
            self.writes.append(COMMIT)

    def abort_open_transaction(self) -> None:
        if self._transaction is not None:
            self._overlay = self._transaction
            del self.writes[self._transaction_start :]
            self._transaction = None

    def spend(self, operation: str, count: int) -> None:
        self.cost[operation] += count

    def channel(self, number: int) -> Channel:
        return self.ram.channels[number]

    def deselect_memory(self, aid: bytes, channel: int) -> MutableMapping[str, Any]:
        """CLEAR_ON_DESELECT memory; an application that is personalised without being selected has none.

        A domain that opens a channel for the selected application has memory beside it.
        """
        here = self.ram.channels[channel]
        if here.selected == aid:
            return here.memory
        selected = self._find(here.selected)
        return here.domain_memory if selected is not None and selected.domain == aid else {}

    def reset_memory(self, aid: bytes) -> MutableMapping[str, Any]:
        return self.ram.reset_memory.setdefault(aid, {})

    def selected_anywhere(self, aid: bytes) -> bool:
        return any(channel.selected == aid for channel in self.ram.channels.values())

    def forget_volatile(self, aid: bytes) -> None:
        self.ram.reset_memory.pop(aid, None)

    # secure channel

    def channel_state(self, number: int, owner: bytes) -> Any:
        secure = self.ram.channels[number].secure
        return secure[1] if secure and secure[0] == owner else None

    def set_channel_state(self, number: int, owner: bytes, value: Any) -> None:
        channel = self.ram.channels[number]
        channel.secure = None if value is None else (owner, value)
        if value is None:
            channel.target = None

    def decrypt_for(self, entry: RegistryEntry, number: int, data: bytes) -> bytes:
        secure = self.ram.channels[number].secure
        domain = self._find(secure[0]) if secure else None
        # The channel of the application's own domain; for a domain, its own or the one above it.
        if domain is None or domain.aid not in (entry.domain, entry.aid):
            raise CardStatus(0x6985)
        messaging = load_model(domain.model).secure_messaging()
        if messaging is None:
            raise CardStatus(0x6985)
        return messaging.decrypt(DomainContext(self, domain, number), data)

    def _find(self, aid: bytes) -> RegistryEntry | None:
        raw = self.read(entry_key(aid), b"")
        return RegistryEntry.from_bytes(raw) if raw else None

    def application(self, aid: bytes, channel: int) -> tuple[Application, Context]:
        entry = self._find(aid)
        if entry is None or entry.kind is Kind.PACKAGE:
            raise CardStatus(0x6A88)
        kind = DomainContext if entry.kind.is_domain else Context
        return load_model(entry.model), kind(self, entry, channel)

    # commands

    def run(self, raw: bytes) -> Response:
        try:
            command = Command.parse(raw)
        except ValueError:
            raise CardStatus(0x6700) from None
        if command.extended and not self.policy.extended_length:
            raise CardStatus(0x6700)
        number, plain_cla = split_cla(command.cla)
        if number > self.policy.channels:
            raise CardStatus(0x6881)
        if number not in self.ram.channels:
            raise CardStatus(0x6881)
        channel = self.ram.channels[number]
        if command.ins == INS_GET_RESPONSE and plain_cla & 0x80 == 0:
            return self._get_response(channel, command)
        channel.pending = b""
        command = command.with_(cla=plain_cla)
        if self.policy.chaining:
            whole = self._reassemble(channel, command)
            if whole is None:
                return Response()
            command = whole
        return self._limit(channel, command, self._secured(number, channel, command))

    def _reassemble(self, channel: Channel, command: Command) -> Command | None:
        """ISO 7816-4 §5.3.3: pieces carry CLA bit 5; a different command in between discards the chain.

        Some hosts set bit 8 of P1 as well on pieces of a certificate (PERFORM SECURITY OPERATION, SCP11).
        """
        more = bool(command.cla & CHAINING)
        last = command.with_(cla=command.cla & ~CHAINING) if more else command
        header = last.header
        if last.cla & 0x80 and last.ins == INS_PERFORM_SECURITY_OPERATION:
            header = last.with_(p1=last.p1 & 0x7F).header
        begun = channel.chain[1] if channel.chain and channel.chain[0] == header else b""
        data = begun + command.data
        if len(data) > MAX_CHAINED:
            channel.chain = None
            raise CardStatus(0x6700)
        if more:
            channel.chain = (header, data)
            return None
        channel.chain = None
        if not begun:
            return command
        extended = command.extended or len(data) > 255
        return command.with_(data=data, extended=extended)

    def _secured(self, number: int, channel: Channel, command: Command) -> Response:
        """Unwrap, process, wrap: what a channel covers goes through the domain that owns it."""
        segments, channel.segments = channel.segments, None
        owner = self._channel_owner(channel)
        messaging = load_model(owner.model).secure_messaging() if owner and owner.kind.is_domain else None
        if owner is None or messaging is None:
            return self._process(number, channel, command)
        ctx = DomainContext(self, owner, number)
        if not messaging.covers(ctx, command):
            return self._process(number, channel, command)
        if channel.secure and command.cla & 0x0C:
            whole = self._unsegmented(channel, segments, command)
            if whole is None:
                return Response()
            command = whole
        plain = messaging.unwrap(ctx, command)
        self.command_level = messaging.level(ctx)
        try:
            response = self._process(number, channel, plain)
        except CardStatus as status:
            self.abort_open_transaction()
            response = Response(status.data, status.sw)
        if channel.secure is None or channel.secure[0] != owner.aid:
            return response
        return messaging.wrap(ctx, response)

    def _channel_owner(self, channel: Channel) -> RegistryEntry | None:
        """The domain that has a secure channel here; without one the selected domain, which may open it by
        the C-MAC of a command.

        A channel ends when its domain has gone or is locked, or has given the selected application away
        (GPC 2.3.1 §5.3.2.4, §9.4.1): all that may happen over another logical channel.
        """
        selected = self._find(channel.selected)
        if channel.secure is None or selected is None:
            return selected
        owner = self._find(channel.secure[0])
        if owner is not None and not owner.locked and owner.aid in (selected.aid, selected.domain):
            return owner
        channel.secure = channel.target = None
        return selected

    def _unsegmented(self, channel: Channel, begun: Segments | None, command: Command) -> Command | None:
        """Chaining of GlobalPlatform: pieces of one secured command, all but the last with bit 8 of P1. Only
        the last carries the C-MAC, over the whole with its P1 (GPC 2.3.1 §11.1.5.1; facts §4.4). Any other
        command in between ends it."""
        kind = (command.ins, command.p2)
        data = (begun[2] if begun and begun[:2] == kind else b"") + command.data
        if len(data) > MAX_CHAINED:
            raise CardStatus(0x6700)
        if command.ins in SEGMENTED and command.p1 & MORE_SEGMENTS and command.p1 != FACTORY_VERSION:
            channel.segments = (*kind, data)
            return None
        return command.with_(data=data, extended=command.extended or len(data) > 0xFF)

    def _process(self, number: int, channel: Channel, command: Command) -> Response:
        if command.cla & 0x80 == 0:
            if command.ins == INS_SELECT and command.p1 == 0x04:
                return self._select_or_miss(number, channel, command)
            if command.ins == INS_MANAGE_CHANNEL:
                return self._manage_channel(number, command)
        application, ctx = self.application(channel.selected, number)
        if application.opens_channels and command.cla & 0x80 and command.ins in OPENING:
            application, ctx = self.application(ctx.entry.domain, number)
        return application.process(ctx, command)

    def _limit(self, channel: Channel, command: Command, response: Response) -> Response:
        """More than the command asked for waits for GET RESPONSE (ISO 7816-4 §11.7.1)."""
        most = command.le or (65536 if command.extended else 256)
        if len(response.data) <= most or response.sw1 == 0x61:
            return response
        channel.pending, channel.pending_sw = response.data[most:], response.sw
        return Response(response.data[:most], 0x6100 | min(len(channel.pending), 256) & 0xFF)

    def _get_response(self, channel: Channel, command: Command) -> Response:
        if not channel.pending:
            raise CardStatus(0x6985)
        most = command.le or 256
        head, channel.pending = channel.pending[:most], channel.pending[most:]
        if channel.pending:
            return Response(head, 0x6100 | min(len(channel.pending), 256) & 0xFF)
        return Response(head, channel.pending_sw)

    # selection and channels

    def _select_or_miss(self, number: int, channel: Channel, command: Command) -> Response:
        try:
            return self._select(number, channel, command)
        except CardStatus:
            # A SELECT that changes nothing: the application that stays selected hears of it.
            if self._find(self.ram.channels[number].selected) is not None:
                application, ctx = self.application(self.ram.channels[number].selected, number)
                application.missed_select(ctx)
            if not self.policy.missed_select_keeps_application:
                self._leave(channel)
            raise

    def _leave(self, channel: Channel) -> None:
        """The card manager becomes current, without an answer of its own."""
        issuer = next(entry for entry in entries(self.view()) if entry.kind is Kind.ISSUER_DOMAIN)
        if channel.selected != issuer.aid:
            channel.selected, channel.memory, channel.domain_memory = issuer.aid, {}, {}
            channel.secure = channel.target = channel.chain = None

    def _select(self, number: int, channel: Channel, command: Command) -> Response:
        if not command.data and self.policy.bare_select_sw != 0x9000:
            raise CardStatus(self.policy.bare_select_sw)
        if command.p2 & 0xF0:
            raise CardStatus(0x6A86)
        entry = self._match(channel, command)
        if entry is None:
            raise CardStatus(0x6A82)
        application = load_model(entry.model)
        again = entry.aid == channel.selected
        keep = again and (self.policy.reselect_keeps_state or application.reselect_keeps_state)
        before = channel.copy()
        channel.secure = channel.target = channel.chain = None
        channel.selected, channel.domain_memory = entry.aid, {}
        if not keep:
            channel.memory = {}
        kind = DomainContext if entry.kind.is_domain else Context
        try:
            response = application.select(kind(self, entry, number), command)
        except CardStatus:
            self.ram.channels[number] = before
            raise
        if command.p2 & 0x0C == 0x0C and self.policy.no_fci_for_p2_0c:
            return Response(sw=response.sw)
        return response

    def _match(self, channel: Channel, command: Command) -> RegistryEntry | None:
        """First, or with P2 = 02 next, entry whose AID begins with the asked name (GPC 2.3.1 §6.4.2)."""
        view = entries(self.view())
        if not command.data:
            return next((entry for entry in view if entry.kind is Kind.ISSUER_DOMAIN), None)
        found = [entry for entry in view if entry.selectable and entry.aid.startswith(command.data)]
        if any(e.kind is Kind.ISSUER_DOMAIN and e.life_cycle in OUT_OF_USE for e in view):
            found = [entry for entry in found if entry.kind is Kind.ISSUER_DOMAIN]
        if command.p2 & 0x03 != 0x02:
            exact = [entry for entry in found if entry.aid == command.data]
            return next(iter(exact or found), None)
        current = [index for index, entry in enumerate(found) if entry.aid == channel.selected]
        return next(iter(found[current[0] + 1 :] if current else found), None)

    def _manage_channel(self, number: int, command: Command) -> Response:
        """ISO 7816-4 §11.1.2: open (P1 00) gives the next free channel, close (P1 80) frees one."""
        if self.policy.channels == 0:
            raise CardStatus(0x6881)
        if command.p1 == 0x80:
            if command.p2 == 0 or command.p2 not in self.ram.channels:
                raise CardStatus(0x6A86)
            del self.ram.channels[command.p2]
            return Response()
        if command.p1 != 0x00 or command.p2 != 0x00:
            raise CardStatus(0x6A86)
        free = next((n for n in range(1, self.policy.channels + 1) if n not in self.ram.channels), None)
        if free is None:
            raise CardStatus(0x6A81)
        first = _first(entries(self.view()), free, contactless=self.ram.contactless)
        self.ram.channels[free] = Channel(first.aid)
        return Response(bytes((free,)))


def split_cla(cla: int) -> tuple[int, int]:
    """Logical channel number and the CLA without its channel bits (ISO 7816-4 §5.4.1, GPC 2.3.1 §11.1.4)."""
    if cla == 0xFF:
        raise CardStatus(0x6E00)
    if cla & 0x40:
        secured = 0x04 if cla & 0x20 else 0
        return 4 + (cla & 0x0F), (cla & 0x80) | (cla & CHAINING) | secured
    if cla & 0x20:
        raise CardStatus(0x6E00)
    return cla & 0x03, cla & ~0x03


def load_model(name: str) -> Application:
    """The application class of that name."""
    from ..apps import load

    return load(name)
