"""The entry badge on the simulated card (docs/protocols/entry-badge.md).

Non-volatile memory: ``diversifier``; ``record/SS`` the record of a slot; ``badge/SSVV`` and ``privacy/SSVV``
the keys of slot and version. The challenge and the FCI it stood in live in CLEAR_ON_DESELECT memory.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import ClassVar

from ...apdu.command import Command, Response
from ...applets.entry_badge import model
from ..card.application import Application, CardStatus, Context
from ..card.registry import LifeCycle
from .personalization import collect, decrypt_key

__all__ = ["EntryBadge"]

CHALLENGE = "challenge"
Pair = tuple[int, int]


class EntryBadge(Application):
    """Answers SELECT with a fresh challenge and one authentication, and takes its personalisation."""

    model: ClassVar[str] = "entry-badge"

    def select(self, ctx: Context, command: Command) -> Response:
        challenge = ctx.random(model.CHALLENGE_LENGTH)
        pairs = _pairs(ctx) if _personalized(ctx) else ()
        tokens = tuple(self._token(ctx, pair, challenge) for pair in pairs)
        fci = bytes(model.Fci(pairs, challenge, tokens, ctx.aid))
        ctx.clear_on_deselect[CHALLENGE] = (challenge, fci)
        ctx.spend("random_block", 1 + len(pairs))
        return Response(fci)

    def _token(self, ctx: Context, pair: Pair, challenge: bytes) -> bytes:
        ctx.spend("aes_block", 20)
        keys = model.token_keys(ctx.nv.get(_name("privacy", pair)), *pair)
        return model.seal_token(keys, challenge, ctx.random(16), ctx.nv.get("diversifier"))

    def missed_select(self, ctx: Context) -> None:
        """A SELECT that finds nothing ends the challenge too."""
        ctx.clear_on_deselect.pop(CHALLENGE, None)

    def process(self, ctx: Context, command: Command) -> Response:
        challenge = ctx.clear_on_deselect.pop(CHALLENGE, None)
        if command.ins != model.AUTHENTICATE_INS:
            raise CardStatus(0x6D00)
        if command.cla != model.AUTHENTICATE_CLA:
            raise CardStatus(0x6E00)
        return self._authenticate(ctx, command, challenge)

    def _authenticate(self, ctx: Context, command: Command, issued: tuple[bytes, bytes] | None) -> Response:
        """Does the same work whatever is wrong, and says the same."""
        length = model.CHALLENGE_LENGTH + model.MAC_LENGTH
        pair = (command.p1, command.p2)
        held = _personalized(ctx) and _name("badge", pair) in ctx.nv
        key = ctx.nv.get(_name("badge", pair)) if held else ctx.random(model.KEY_LENGTH)
        challenge, fci = issued or (bytes(model.CHALLENGE_LENGTH), b"")
        theirs = command.data[: model.CHALLENGE_LENGTH].ljust(model.CHALLENGE_LENGTH, b"\x00")
        keys = model.session_keys(key, *pair, fci, challenge, theirs, ctx.aid)
        right = hmac.compare_digest(model.door_mac(keys, *pair, theirs), command.data[16:])
        ctx.spend("aes_block", 50)
        if not (right and held and issued is not None and len(command.data) == length):
            raise CardStatus(model.REFUSED)
        ctx.spend("aes_block", 12)
        return Response(model.seal_record(keys, ctx.nv.get(f"record/{command.p1:02x}")))

    def personalize(self, ctx: Context, command: Command) -> Response:
        groupings = collect(ctx, command)
        if groupings is None:
            return Response()
        update = _Update(first=not _personalized(ctx))
        for number, value in groupings:
            update.take(ctx, number, value)
        update.check(ctx)
        with ctx.transaction():
            update.write(ctx)
            if update.first:
                ctx.set_life_cycle(LifeCycle.PERSONALIZED)
        return Response()


@dataclass
class _Update:
    """The content of one personalisation before anything of it is written."""

    first: bool
    diversifier: bytes = b""
    records: dict[int, bytes] = field(default_factory=dict)
    badge_keys: dict[Pair, bytes] = field(default_factory=dict)
    privacy_keys: dict[Pair, bytes] = field(default_factory=dict)
    forgotten: set[Pair] = field(default_factory=set)

    def take(self, ctx: Context, number: int, value: bytes) -> None:
        kind, slot = number & 0xFF00, number & 0x00FF
        if number == model.DGI_DIVERSIFIER:
            if not self.first or len(value) != model.DIVERSIFIER_LENGTH:
                raise CardStatus(0x6A80)
            self.diversifier = value
        elif slot not in model.SLOTS:
            raise CardStatus(0x6A88)
        elif kind == model.DGI_RECORD:
            self.records[slot] = _checked_record(value)
        elif kind == model.DGI_FORGET_VERSION and len(value) == 1:
            self.forgotten.add((slot, value[0]))
        elif kind in (model.DGI_BADGE_KEY, model.DGI_PRIVACY_KEY) and len(value) == 4 + model.KEY_LENGTH:
            keys = self.badge_keys if kind == model.DGI_BADGE_KEY else self.privacy_keys
            keys[slot, value[0]] = decrypt_key(ctx, value[1:4], value[4:], model.KEY_LENGTH)
        else:
            raise CardStatus(0x6A80)

    def check(self, ctx: Context) -> None:
        """What the badge would be after this must be whole (docs §5)."""
        pairs = ({*_pairs(ctx)} | {*self.badge_keys}) - self.forgotten
        slots = {slot for slot, _ in pairs}
        records = {int(name[-2:], 16) for name in ctx.nv.names("record/")} | {*self.records}
        whole = (
            pairs
            and len(pairs) <= model.MAX_PAIRS
            and {*self.badge_keys} == {*self.privacy_keys}
            and not self.forgotten & {*self.badge_keys}
            and slots == records
            and all(version for _, version in pairs)
            and bool(self.diversifier) == self.first
        )
        if not whole:
            raise CardStatus(0x6A80)

    def write(self, ctx: Context) -> None:
        if self.first:
            ctx.nv.put("diversifier", self.diversifier)
        for slot, record in self.records.items():
            ctx.nv.put(f"record/{slot:02x}", record)
        for usage, keys in (("badge", self.badge_keys), ("privacy", self.privacy_keys)):
            for pair, key in keys.items():
                ctx.nv.put(_name(usage, pair), key)
            for pair in sorted(self.forgotten):
                ctx.nv.delete(_name(usage, pair))


def _checked_record(value: bytes) -> bytes:
    try:
        model.BadgeRecord.parse(value)
    except ValueError:
        raise CardStatus(0x6A80) from None
    return value


def _personalized(ctx: Context) -> bool:
    return ctx.life_cycle == LifeCycle.PERSONALIZED


def _pairs(ctx: Context) -> tuple[Pair, ...]:
    names = (bytes.fromhex(name.removeprefix("badge/")) for name in ctx.nv.names("badge/"))
    return tuple((name[0], name[1]) for name in names)


def _name(usage: str, pair: Pair) -> str:
    return f"{usage}/{bytes(pair).hex()}"
