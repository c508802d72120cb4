"""``tegata badge``: plan, apply, verify, bind and read one badge, and print its PIN letter."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ...apdu.card import Card
from ...apdu.command import Command, Response
from ...apdu.errors import CardError, InputError, Words, language
from ...apdu.ports import Link, open_reader
from ...apdu.secret import Secret
from ...apdu.trace import RecordingLink
from ...applets.entry_badge.host import Reason
from ...simulators.card.clock import VirtualClock
from ...simulators.link import SimulatedLink
from ..keyring.container import write_private
from ..ledger import Line
from ..profile import Profile
from ..workplace import open_ledger, open_ring, open_ring_and_ca
from . import apply, begin_work, bind, make_plan, read_at_door, verify
from .bind import bound_records
from .letter import PinLetter, pin_letter
from .supervise import WRITE_OFF, readmit, replace_badge, write_off
from .work import Desk

__all__ = ["badge"]

REASONS = {
    Reason.WRONG_SITE: Words("the badge is for another site", "別の拠点のバッジです"),
    Reason.NOT_YET_VALID: Words("the badge is not valid yet", "バッジの有効期間がまだ始まっていません"),
    Reason.EXPIRED: Words("the badge has expired", "バッジの有効期限が切れています"),
    Reason.NO_ACCESS: Words("the badge lacks this access class", "この入室区分の権限がありません"),
}
PIN_RULES = {"PIN": range(6, 9), "PUK": range(8, 9)}


@dataclass
class Counter:
    """APDUs and bytes over the link, both ways."""

    apdus: int = 0
    bytes: int = 0

    def record(self, command: Command, response: Response) -> None:
        self.apdus += 1
        self.bytes += len(bytes(command)) + len(bytes(response))


@dataclass
class Station:
    """What every command of the group needs, from its options."""

    reader: str
    database: str | None
    keyring: str | None
    ca: str | None
    order: int | None
    employee: str
    timeout: float
    trace: Path | None
    counter: Counter = field(default_factory=Counter)
    clock: VirtualClock | None = None

    def desk(self) -> Desk:
        """To be asked for before :meth:`link`: nobody types a passphrase while a card is held."""
        ring, ca = open_ring_and_ca(self.keyring, self.ca)
        return Desk(open_ledger(self.database), ring, ca, _ask, self.counter)

    @contextmanager
    def link(self) -> Iterator[Link]:
        """The card on the reader: ours alone until the closing reset."""
        reader = open_reader(self.reader)
        try:
            link = reader.wait_for_card(self.timeout)
            if isinstance(link, SimulatedLink):
                self.clock = link.card.clock
            try:
                with self._traced(link) as seen, link.exclusive():
                    yield seen
            finally:
                link.close(reset=True)
        finally:
            reader.close()

    @contextmanager
    def _traced(self, link: Link) -> Iterator[Link]:
        if self.trace is None:
            yield link
            return
        try:
            with self.trace.open("w", encoding="utf-8") as stream:
                yield RecordingLink(link, stream)
        except OSError as error:
            raise InputError("input.file", path=str(self.trace), what=error.strerror) from error


def _ask(line: Line, name: str) -> Secret:
    """The holder types PIN or PUK at the desk, twice."""
    if not sys.stdin.isatty():
        raise InputError("badge.pin_needed", pin=name, employee=line.employee)
    rule = PIN_RULES[name]
    while True:
        typed: str = click.prompt(
            f"{name} ({line.employee})", hide_input=True, confirmation_prompt=True, err=True
        )
        if len(typed) in rule and typed.isascii() and typed.isdigit():
            return Secret.from_text(typed)
        digits = "6 to 8" if name == "PIN" else "8"
        click.echo(
            _both(
                f"The {name} has {digits} digits.", f"{name}は {digits.replace(' to ', '〜')} 桁の数字です。"
            ),
            err=True,
        )


def _station(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a station, gathered into one object."""

    @wraps(command)
    def call(
        reader: str,
        database: str | None,
        keyring: str | None,
        ca: str | None,
        order: int | None,
        employee: str,
        timeout: float,
        trace: Path | None,
        **rest: Any,
    ) -> Any:
        station = Station(reader, database, keyring, ca, order, employee, timeout, trace)
        return command(station, **rest)

    options = (
        click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts."),
        click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Write APDUs, masked."),
        click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for a card."),
        click.option("--employee", default="", help="Employee number; default: the next line that is ready."),
        click.option("--order", type=int, help="Order number; default: all, the oldest first."),
        click.option("--ca", envvar="TEGATA_CA", help="Folder of the company CA."),
        click.option("--keyring", envvar="TEGATA_KEYRING", help="URL of the key ring, e.g. file:keys.json."),
        click.option("--database", envvar="TEGATA_DATABASE", help="Ledger file or URL."),
        click.option(
            "--reader", envvar="TEGATA_READER", required=True, help="Reader: pcsc:NAME or sim:FILE."
        ),
    )
    wrapped: Callable[..., Any] = call
    for option in options:
        wrapped = option(wrapped)
    return wrapped


@click.group()
def badge() -> None:
    """Plan, write, check, bind and read one badge.

    \b
    A desk in three steps:
      tegata badge plan  --reader pcsc:            what is missing on this card (writes nothing)
      tegata badge apply --reader pcsc:            do it; run it again after anything that went wrong
      tegata badge read  --reader pcsc: --site TOKYO      as a door sees it
    """


@badge.command("plan")
@_station
def plan(station: Station, as_json: bool) -> None:
    """Read the card and print what is missing. Alters nothing but the card's own session counters.

    \b
    Exit codes: 176 a holder's My Number Card, 178 no known key set opens the card, 13 another card than
    this employee's, 185 no line waits for a card.
    """
    desk = station.desk()
    with station.link() as link:
        work = begin_work(desk, link, order_id=station.order, employee=station.employee)
        found = make_plan(work)
    if as_json:
        _json({**asdict(found), "apdus": station.counter.apdus})
        return
    click.echo(
        _both(
            f"Card {found.card} for employee {found.employee}:",
            f"社員 {found.employee} のカード {found.card}:",
        )
    )
    for step in found.steps:
        sign = "  " if step.done else "! " if not step.reversible else "+ "
        click.echo(f"  {sign}{step.what.in_language(language())}")
    count = len(found.missing)
    click.echo(
        _both(
            f"{count} steps to do (! cannot be undone)." if count else "Nothing to do.",
            f"残りの手順 {count} 件 (! は取り消せません)。" if count else "することはありません。",
        )
    )


@badge.command("apply")
@_station
def apply_command(station: Station, as_json: bool) -> None:
    """Write the badge: keys, employee ID, certificate, entry badge. Safe to run again at any time.

    If the card is torn away or this program dies, put the card back and run the same command: it reads the
    card and finishes. Running it on a finished badge changes nothing.

    \b
    Exit codes: 12 card removed, 13 another card, 176 a holder's My Number Card (never written), 178 no known
    key set opens the card (it is in quarantine, no try was spent), 179 the card is out of use, 181 nobody is
    there to type the PIN, 194 another station was faster.
    """
    desk = station.desk()
    with station.link() as link, _progress(as_json) as tell:
        work = begin_work(desk, link, order_id=station.order, employee=station.employee)
        outcome = apply(work, tell)
        seconds = _virtual_seconds(station.clock)
    if as_json:
        _json({**asdict(outcome), "changed": outcome.changed, **asdict(station.counter), **seconds})
        return
    if not outcome.changed:
        click.echo(
            _both(
                f"The badge of {outcome.employee} is complete; nothing was changed.",
                f"{outcome.employee} のバッジは完成しています。変更はありません。",
            )
        )
        return
    click.echo(
        _both(
            f"The badge of {outcome.employee} is complete ({len(outcome.done)} steps, "
            f"{station.counter.apdus} APDUs).",
            f"{outcome.employee} のバッジが完成しました ({len(outcome.done)} 手順、"
            f"{station.counter.apdus} APDU)。",
        )
    )


@badge.command("verify")
@_station
def verify_command(station: Station, as_json: bool) -> None:
    """Read a finished badge back and compare it with its order. Writes nothing, asks for no PIN.

    \b
    Exit codes: 187 some comparison failed, 178 no known key set opens the card.
    """
    desk = station.desk()
    with station.link() as link:
        work = begin_work(desk, link, order_id=station.order, employee=station.employee)
        checks = verify(work)
    failed = [check for check in checks if not check.ok]
    if as_json:
        _json({"employee": work.line.employee, "ok": not failed, "checks": [asdict(one) for one in checks]})
    else:
        for check in checks:
            what = check.what.in_language(language())
            click.echo(f"  {'ok ' if check.ok else 'NO '} {what}" + _detail(check.ok, check.detail))
    if failed:
        raise CardError("badge.incomplete", failed=len(failed), total=len(checks))


@badge.command("bind")
@_station
def bind_command(station: Station, as_json: bool) -> None:
    """Tie a holder's own My Number Card to --employee. Reads its ID application; never writes.

    \b
    Exit codes: 149 no ID application on the card, 169 the card is no original, 186 no line for this employee,
    122 the card or employee is bound already.
    """
    if not station.employee:
        raise click.UsageError("--employee is needed: a holder's card does not say whose badge it becomes.")
    desk = station.desk()
    with station.link() as link:
        binding = bind(desk, link, station.employee, order_id=station.order)
    if as_json:
        _json({"employee": binding.employee, "binding": binding.id, **asdict(station.counter)})
        return
    click.echo(
        _both(
            f"The holder's card is bound to {binding.employee}; nothing was written on it.",
            f"本人のカードを {binding.employee} に紐付けました。カードには何も書き込んでいません。",
        )
    )


@badge.command("read")
@click.option("--site", required=True, help="The door's site, by the profile's code.")
@click.option("--class", "access_class", help="Access class that the door asks for.")
@click.option(
    "--at", "moment", help="Decide as of this moment (ISO 8601 with offset) instead of now.", metavar="TIME"
)
@_station
def read(station: Station, site: str, access_class: str | None, moment: str | None, as_json: bool) -> None:
    """Read the badge as a door of --site does and say whether it opens.

    \b
    Exit codes: 188 the door stays closed, 166 to 169 no badge of this site, or a forged one, 191 a holder's
    own card that is not bound.
    """
    ledger, ring = open_ledger(station.database), open_ring(station.keyring)
    with ledger.read() as books:
        orders = books.orders()
        if not orders:
            raise InputError("order.none_ready")
        order = books.order(station.order) if station.order is not None else orders[-1]
        bound = bound_records(books)
    profile = Profile.from_json(order.profile)
    with station.link() as link:
        answer = read_at_door(
            Card(link, recorder=station.counter),
            ring,
            profile,
            site,
            _moment(moment),
            access_class=access_class,
            bound=bound,
        )
    decision = answer.decision
    if as_json:
        _json(
            {
                "kind": answer.kind,
                "badge": answer.record.badge_number,
                "valid_until": answer.record.valid_until.isoformat(),
                "granted": decision.granted,
                "reason": str(decision.reason),
                **asdict(station.counter),
            }
        )
    elif decision.granted:
        click.echo(
            _both(
                f"Badge {answer.record.badge_number}: the door opens.",
                f"バッジ {answer.record.badge_number}: 入室できます。",
            )
        )
    if not decision.granted:
        raise CardError("badge.door_refused", reason=REASONS[decision.reason])


@badge.command("pin-letter")
@click.option("--employee", required=True, help="Employee number.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this new file, readable by you only, instead of the terminal.",
)
@click.option("--keyring", envvar="TEGATA_KEYRING", help="URL of the key ring, e.g. file:keys.json.")
@click.option("--database", envvar="TEGATA_DATABASE", help="Ledger file or URL.")
def pin_letter_command(employee: str, output: Path | None, keyring: str | None, database: str | None) -> None:
    """Show the PIN and PUK of a finished badge, for the letter to its holder.

    Needs no card. Each call is noted in the ledger's audit chain (never the digits). The letter goes to a
    terminal or, with --output, into a new file; it is not printed into a pipe, and there is no --json.

    \b
    Exit codes: 189 no finished badge, or its PIN was typed by the holder; 190 not a terminal and no --output;
    43 the file exists already.
    """
    if output is None and not sys.stdout.isatty():
        raise InputError("badge.letter_place")
    letter = _letter_text(pin_letter(open_ledger(database), open_ring(keyring), employee))
    if output is None:
        click.echo(letter, nl=False)
    else:
        write_private(output, letter.encode(), replace=False)
        click.echo(_both(f"Wrote {output}.", f"{output} に書き出しました。"))


def _letter_text(letter: PinLetter) -> str:
    lines = [_both(f"Employee {letter.employee} {letter.name}", f"社員 {letter.employee} {letter.name}")]
    for usage, digits in letter.digits.items():
        with digits:
            lines.append(f"{usage.removeprefix('piv-').upper()} {digits.reveal().decode('ascii')}")
    return "".join(f"{line}\n" for line in lines)


@badge.command("write-off")
@click.option("--employee", required=True, help="Whose card it was.")
@click.option("--reason", required=True, type=click.Choice(list(WRITE_OFF)), help="What became of it.")
@click.option("--replace", is_flag=True, help="Order a new badge for the same person.")
@click.option("--database", envvar="TEGATA_DATABASE", help="Ledger file or URL.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def write_off_command(employee: str, reason: str, replace: bool, database: str | None, as_json: bool) -> None:
    """Give up a card that is gone: its badges are retired, its certificates revoked.

    A badge that was being made on it waits for another card; for a finished one --replace orders a new
    badge. Write a new revocation list afterwards (tegata ca crl) and take the badge number from the doors.

    \b
    Exit codes: 186 no card of this employee is in use.
    """
    ledger = open_ledger(database)
    card = write_off(ledger, employee, reason)
    order = replace_badge(ledger, employee).id if replace and card.state == reason else None
    if as_json:
        identity = card.identity.hex().upper()
        _json({"employee": employee, "card": identity, "state": card.state, "order": order})
        return
    click.echo(
        _both(
            f"Card {card.identity.hex().upper()} of {employee} is written off ({card.state}).",
            f"{employee} のカード {card.identity.hex().upper()} を廃棄扱いにしました ({card.state})。",
        )
    )
    if order is not None:
        click.echo(_both(f"Order {order}: a new badge.", f"発行依頼 {order}: 新しいバッジ 1 件です。"))


@badge.command("readmit")
@click.option("--card", "identity", required=True, help="The card's identity, as badge plan prints it.")
@click.option("--because", required=True, help="Why; it stands in the audit chain.")
@click.option("--database", envvar="TEGATA_DATABASE", help="Ledger file or URL.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def readmit_command(identity: str, because: str, database: str | None, as_json: bool) -> None:
    """Take a card out of quarantine; the next apply reads it again. For supervisors.

    \b
    Exit codes: 192 no such card is in quarantine.
    """
    try:
        raw = bytes.fromhex(identity)
    except ValueError:
        raise click.BadParameter("a card's identity is hex digits, as badge plan prints it") from None
    card = readmit(open_ledger(database), raw, because)
    if as_json:
        _json({"card": card.identity.hex().upper(), "state": card.state})
        return
    click.echo(
        _both(
            f"Card {card.identity.hex().upper()} may be used again.",
            f"カード {card.identity.hex().upper()} を再び使えるようにしました。",
        )
    )


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time like 2026-04-01T09:00:00+09:00") from None
    if moment.tzinfo is None:
        raise click.BadParameter("the time needs an offset, e.g. +09:00")
    return moment


def _virtual_seconds(clock: VirtualClock | None) -> dict[str, float]:
    """Card time by the virtual clock, for simulated cards."""
    if clock is None:
        return {}
    return {"link": clock.link, "crypto": clock.crypto, "write": clock.write, "seconds": clock.total}


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int, Words], None] | None]:
    """A progress bar on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Progress(
        TextColumn("{task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total, description=what.in_language(language())
        )


def _detail(ok: bool, detail: str) -> str:
    return f" ({detail})" if detail and not ok else ""


def _both(en: str, ja: str) -> str:
    return ja if language() == "ja" else en


def _json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, default=str))
