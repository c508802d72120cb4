"""``tegata gp``: the applet manager. Parse, open one session, perform the verbs, print.

Several verbs, separated by the word ``then``, share one authenticated session. All of them are parsed before
a card is touched.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from ...apdu.card import Card
from ...apdu.errors import CardChanged, InputError, Words, language
from ...apdu.ports import KeyRing, open_reader
from ...apdu.scp11 import Trust, Variant
from ...apdu.secret import Secret
from ...apdu.trace import Trace, trace_file
from ...provisioning.keyring import FIXED, JoinedKeyRing, StaticKeyRing, read_passphrase
from ...provisioning.keyring.static import DEFAULT
from ..mynumber_common.host import is_my_number_card
from .cap_commands import cap
from .command_options import Settings, session_options
from .content_commands import add_to
from .data_commands import store_data
from .delegation import Authority, ready_token
from .domain_commands import domain, lock
from .host import SecurityDomain
from .key_commands import keys
from .manager import (
    LEVELS,
    OFF_THE_RECORD,
    Access,
    Certified,
    Consequence,
    Custody,
    Masters,
    Outcome,
    Report,
    Session,
    State,
    Verb,
    perform,
    printable,
)
from .model.signatures import Signer, VerifyingKey, signer
from .progress_bar import ProgressBar
from .signing_keys import (
    public_key_of,
    read_anchor,
    read_chain,
    read_host_key,
    read_signing_key,
    read_verifying_key,
)
from .token_commands import receipt, token

__all__ = ["gp"]

THEN = "then"
PUTS = ("keys put", "keys rotate")
RING = "ring:"
SCP11 = 0x11
NO_LEDGER = "none"
SCHEME = "sp800-108-cmac"
BY_HAND = "by-hand"
PLACES = ("enc", "mac", "dek")
DONE = Words("done", "完了")
TO_DO, FINAL = Words("to do", "予定"), Words("to do, cannot be undone", "予定・取消不可")


class Gp(click.Group):
    """A group whose verbs may be joined by ``then``: they return what to do, and one session does it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        return super().make_context(info_name, args, parent, obj=Settings(_signer, _verifier), **extra)

    def invoke(self, ctx: click.Context) -> Any:
        words = [*getattr(ctx, "_protected_args", ()), *ctx.args]
        with ctx:
            results = [self._parse(ctx, part) for part in _parts(words)]
            verbs = [result for result in results if isinstance(result, Verb)]
            if verbs:
                _perform(ctx.obj, verbs)
            return next((result for result in results if isinstance(result, int)), 0)

    def _parse(self, ctx: click.Context, words: list[str]) -> Any:
        if not words:
            raise click.UsageError(f"A verb is missing before or after {THEN!r}.", ctx)
        name, command, rest = self.resolve_command(ctx, words)
        if command is None:
            raise click.UsageError(f"There is no verb {words[0]!r}.", ctx)
        ctx.invoked_subcommand = name
        with command.make_context(name, rest, parent=ctx) as inner:
            return command.invoke(inner)


def _parts(words: Sequence[str]) -> list[list[str]]:
    """The words between ``then`` and ``then``."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == THEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


@click.group(cls=Gp)
@session_options(hidden=False)
def gp() -> None:
    """Manage what is on a GlobalPlatform card: packages, applications, domains, keys, life cycles.

    \b
    Without a card or a reader:
      tegata sim new company-card card.sim
      tegata gp --reader sim:card.sim info
      tegata gp --reader sim:card.sim list

    Verbs joined by "then" share one authenticated session; everything is read and checked before the card is
    touched. With --dry-run the card is read and nothing is changed. Options of the session may stand behind a
    verb too.

    No key is taken from the command line, except for simulated cards (--key). Keys that do not fit are found
    out on this side: nothing is sent and no try is spent. A holder's My Number Card is never managed.

    Exit codes that all verbs share: 12 the card went, 90 the keys are not the card's, 91 the channel ended,
    150 the card is out of use, 151 it was set aside, 176 a My Number Card, 30 to 39 the reader.
    """


add_to(gp)
for _group in (store_data, keys, domain, lock, token, receipt, cap):
    gp.add_command(_group)


def _perform(settings: Settings, verbs: Sequence[Verb]) -> None:
    settings.check()
    printer = _Printer(settings)
    with _session(settings, verbs) as session:
        try:
            perform(session, verbs, printer.tell)
        finally:
            printer.finish(session)


# the session


@contextmanager
def _session(settings: Settings, verbs: Sequence[Verb]) -> Iterator[Session]:
    """Keys and ledger first: nobody types a passphrase while a card is held."""
    url = settings["reader"] or "pcsc:"
    simulated = url.startswith("sim:")
    channel = any(verb.channel for verb in verbs)
    access = _access(settings, verbs, simulated=simulated) if channel else None
    custody = _custody(settings, access, verbs, simulated=simulated)
    authority = _authority(settings)
    with ExitStack() as stack:
        stack.callback(custody.close)
        reader = open_reader(url)
        stack.callback(reader.close)
        link = reader.wait_for_card(settings["timeout"])
        stack.callback(link.close)
        recorder = None
        if settings["trace"] is not None:
            recorder = Trace(stack.enter_context(trace_file(settings["trace"])), link)
        stack.enter_context(link.exclusive())
        card = Card(link, recorder=recorder)
        yield Session(
            card,
            SecurityDomain(card, settings["domain_aid"], authority=authority),
            custody,
            is_my_number_card,
            _Consent(settings),
            access,
            dry_run=settings["dry_run"],
            progress=_progress(settings, stack),
            notice=None if settings["as_json"] else _tell,
            named_domain=settings["domain_aid"] is not None,
        )


def _tell(words: Words) -> None:
    click.echo(words.in_language(language()), err=True)


def _progress(settings: Settings, stack: ExitStack) -> ProgressBar | None:
    """A bar for a person at a terminal."""
    if settings["as_json"] or not sys.stderr.isatty():
        return None
    bar = ProgressBar()
    stack.callback(bar.close)
    return bar


def _access(settings: Settings, verbs: Sequence[Verb], *, simulated: bool) -> Access:
    """The rings of this session joined, and where in them the card's keys are."""
    if settings["key_hex"] is not None and not simulated:
        raise InputError("input.secret_on_command_line", command="--key")
    wanted = [verb.new_keys for verb in verbs if verb.new_keys is not None]
    given = _given(settings)
    brought = {new.named: _static(new.named) for new in wanted if new.named}
    masters = {name for name in (settings["master"], *(new.master for new in wanted)) if name}
    _check_names(settings, given, brought, masters)
    if settings["keyring"] or masters:
        ring: KeyRing = _ring(settings)
    else:
        ring = StaticKeyRing.default()
    for static in (*brought.values(), given):
        ring = JoinedKeyRing(ring, static)
    return Access(
        ring=ring,
        source=_source(settings, given),
        version=settings["key_version"] or 0,
        level=LEVELS[settings["level"]] if settings["level"] else None,
        scp02_i=settings["scp02_i"],
        scp11=_certified(settings),
        named={name: _masters(static) for name, static in brought.items()},
        typed=any(settings[name] is not None for name in ("keys", "key_hex", "master")),
        well_known=StaticKeyRing.default(),
        coming=frozenset(
            verb.new_keys.version for verb in verbs if verb.new_keys is not None and verb.name in PUTS
        ),
    )


def _check_names(
    settings: Settings, given: StaticKeyRing, brought: Mapping[str, StaticKeyRing], masters: set[str]
) -> None:
    """Keys are found by name: two of one name would silently be one. Raises InputError ``gp.same_name``."""
    sources: dict[str, set[str]] = {master: {RING} for master in masters}
    here = BY_HAND if settings["key_hex"] is not None else settings["keys"] or DEFAULT
    for source, static in ((here, given), *brought.items()):
        place = source if source in (DEFAULT, BY_HAND) else str(Path(source).resolve())
        sources.setdefault(static.label, set()).add(place)
    for label, places in sources.items():
        if len(places) > 1:
            raise InputError("gp.same_name", name=label)


def _given(settings: Settings) -> StaticKeyRing:
    """The keys of the card that the person brought along; the well-known ones when he brought none."""
    if settings["key_hex"] is not None:
        return StaticKeyRing(BY_HAND, dict.fromkeys(PLACES, Secret(settings["key_hex"])))
    return _static(settings["keys"] or DEFAULT)


def _static(name: str) -> StaticKeyRing:
    return StaticKeyRing.default() if name == DEFAULT else StaticKeyRing.from_file(Path(name))


def _source(settings: Settings, given: StaticKeyRing) -> Masters:
    """A master of the ring when one is named, and no keys are."""
    label, scheme = settings["master"], settings["scheme"]
    if label is not None and settings["keys"] is None and settings["key_hex"] is None:
        return Masters(label, scheme or SCHEME)
    return _masters(given, scheme)


def _masters(static: StaticKeyRing, scheme: str | None = None) -> Masters:
    chosen = static.scheme or scheme or FIXED
    return Masters(static.label, chosen, length=static.length, algorithm=static.algorithm)


def _ring(settings: Settings) -> KeyRing:
    """The key ring at --keyring, by default the one in the home folder."""
    from ...provisioning.workplace import open_ring  # slow to load: only for who has a ring

    return open_ring(settings.get("keyring"))


def _signer(settings: Settings, name: str) -> Signer:
    if name.startswith(RING):
        ring, label = _ring(settings), name.removeprefix(RING)
        return lambda data: ring.sign(label, data)
    return signer(read_signing_key(Path(name), lambda: read_passphrase(f"Passphrase of {name}")))


def _verifier(settings: Settings, name: str) -> VerifyingKey:
    if name.startswith(RING):
        label = name.removeprefix(RING)
        return public_key_of(_ring(settings).public_key(label), label)
    return read_verifying_key(Path(name))


def _authority(settings: Settings) -> Authority:
    """Tokens and receipts of this session."""
    ready, token_key, receipt_key = (settings[name] for name in ("ready_token", "token_key", "receipt_key"))
    if ready:
        made: Signer | None = ready_token(ready)
    else:
        made = settings.signer(token_key) if token_key else None
    checked = settings.verifier(receipt_key) if receipt_key else None
    return Authority(token=made, reference=settings["token_reference"], receipt_key=checked)


def _certified(settings: Settings) -> Certified | None:
    """SCP11, when it is asked for. Raises InputError ``gp.signing_key``, ``scp11.identity``."""
    letter = settings["scp11"]
    if letter is None:
        return None
    anchors = tuple(read_anchor(path) for path in settings["scp11_anchor"])
    if not anchors and not settings["scp11_unverified"]:
        raise click.UsageError("--scp11 needs --scp11-anchor FILE, or --scp11-unverified.")
    trust = Trust(anchors, unverified=settings["scp11_unverified"])
    key, chain = settings["scp11_key"], settings["scp11_chain"]
    if (letter == "b") == (key is not None) or (key is None) != (chain is None):
        raise click.UsageError("--scp11-key and --scp11-chain are needed for a and c, and not for b.")
    variant = Variant[letter.upper()]
    if key is None:
        return Certified(variant, trust)
    typed = partial(read_passphrase, f"Passphrase of {key}")
    return Certified(variant, trust, read_host_key(key, typed), read_chain(chain))


def _custody(settings: Settings, access: Access | None, verbs: Sequence[Verb], *, simulated: bool) -> Custody:
    """Raises InputError ``gp.ledger_needed`` when keys that only a ledger finds again would go unrecorded."""
    if access is None:
        return OFF_THE_RECORD
    new = [verb.new_keys for verb in verbs if verb.new_keys is not None]
    well_known = settings["keys"] in (None, DEFAULT) and settings["master"] is None
    well_known = well_known and all(keys.named == DEFAULT for keys in new)
    if settings["ledger"] == NO_LEDGER:
        if not simulated and not well_known:
            raise InputError("gp.ledger_needed")
        return OFF_THE_RECORD
    from ...provisioning.keeper import open_custody  # info needs none

    changes = not settings["dry_run"] and any(verb.changes for verb in verbs)
    return open_custody(settings["ledger"], write=changes)


class _Consent:
    """Asks the person at the terminal; --yes and --card answer beforehand."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, session: Session, consequence: Consequence) -> None:
        """Raises InputError ``gp.consent`` without a terminal, CardChanged for the name of another card."""
        named = self._settings["card_name"]
        typed = consequence.by_name and named is None
        if typed or not self._settings["yes"]:
            self._needs_terminal(consequence)
        if not self._settings["as_json"] or sys.stdin.isatty():  # nobody agrees to what he was not told
            click.echo(consequence.what.in_language(language()), err=True)
        if typed:
            named = click.prompt(
                _both(
                    "Type the card's identity, as info shows it",
                    "カードの番号 (info の表示) を入力してください",
                ),
                err=True,
            )
            self._compare(session, named)
            return
        if named is not None:
            self._compare(session, named)
        if not self._settings["yes"]:
            card = printable(session.identity)
            click.confirm(_both(f"Card {card}: go on?", f"カード {card}: 続けますか?"), abort=True, err=True)

    @staticmethod
    def _needs_terminal(consequence: Consequence) -> None:
        if not sys.stdin.isatty():
            more = " --card ID" if consequence.by_name else ""
            raise InputError("gp.consent", what=consequence.what, options=f"--yes{more}")

    @staticmethod
    def _compare(session: Session, named: str) -> None:
        found = "".join(character for character in named.upper() if character not in " :")
        if found not in session.names():
            raise CardChanged(expected=named, found=printable(session.identity))


# printing


class _Printer:
    """Reports as they come, for people; all in one object at the end, for programs."""

    def __init__(self, settings: Settings) -> None:
        self._as_json, self._dry_run = settings["as_json"], settings["dry_run"]
        self._reports: list[Report] = []

    def tell(self, report: Report) -> None:
        self._reports.append(report)
        if self._as_json:
            return
        for line in report.lines:
            click.echo(line.in_language(language()).rstrip())
        for outcome in report.outcomes:
            what = outcome.what.in_language(language())
            click.echo(f"{what}: {_mark(outcome).in_language(language())}")
            for line in outcome.lines:
                click.echo(line.in_language(language()))

    def finish(self, session: Session) -> None:
        if not self._as_json:
            if self._dry_run:
                click.echo(_both("Nothing was changed (--dry-run).", "何も変更していません (--dry-run)。"))
            return
        opened = session.opened
        value = {
            "card": printable(session.identity) if session.selection else "",
            "dry_run": self._dry_run,
            "channel": _channel_json(session) if opened else None,
            "verbs": [_report_json(report) for report in self._reports],
        }
        click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _mark(outcome: Outcome) -> Words:
    match outcome.state:
        case State.DONE:
            return DONE
        case State.FOUND:
            return outcome.found
    return TO_DO if outcome.reversible else FINAL


def _channel_json(session: Session) -> dict[str, Any]:
    told = session.answering.told
    return {
        "scp": told.protocol if session.current else SCP11,
        "i": f"{session.answering.i:02X}",
        "key_version": f"{told.version:02X}",
        "level": f"{session.level:02X}",
        "named_keys": session.named_keys,
    }


def _report_json(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {"verb": report.verb, **report.data}
    if report.outcomes:
        found["changed"] = report.changed
        found["steps"] = [
            {
                "step": outcome.step,
                "what": outcome.what.in_language(language()),
                "state": str(outcome.state),
                "reversible": outcome.reversible,
                **outcome.details,
            }
            for outcome in report.outcomes
        ]
    if report.verb == "recovery":
        found["found"] = [line.in_language(language()) for line in report.lines]
    return found


def _both(en: str, ja: str) -> str:
    return ja if language() == "ja" else en
