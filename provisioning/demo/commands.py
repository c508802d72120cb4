"""``tegata demo``: everything once, in a folder of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ...apdu.card import Card
from ...apdu.errors import InputError, language
from ...reader_bridge.store.settings import HOME_VARIABLE
from ...simulators.link import open_reader
from ..issuance import read_at_door
from ..issuance.bind import bound_records
from .desk import DemoDesk
from .portal import visit_portal
from .report import Visit, summary, write_report

__all__ = ["demo"]

SITE, ACCESS = "TOKYO", "office"
VALID, EXPIRED = "000101", "000119"

WORDS = {
    "en": {
        "order": "{count} people of examples/roster.csv ordered; keys, company CA and ledger are in {folder}",
        "issue": "Badges",
        "torn": "  {number}: the card was torn away in the middle of a write; put back, finished",
        "killed": "  {number}: the issuing process was killed; run again, finished",
        "again": "Everything applied once more: {changed} cards changed",
        "bound": "{count} holders' own My Number Cards bound, not a byte of them changed",
        "door": "Door {site}: badge {number} ({kind}): {result}",
        "granted": "opens",
        "refused": "stays closed ({reason})",
        "login": "Portal: login token verified ({file})",
        "signature": "Portal: signed PDF verified ({file})",
        "report": "Everything is in {folder}; read {report}",
    },
    "ja": {
        "order": "examples/roster.csv の {count} 名を発注しました。鍵・会社 CA・台帳は {folder} にあります",
        "issue": "発行",
        "torn": "  {number}: 書き込みの途中でカードが離れ、置き直して完成しました",
        "killed": "  {number}: 発行中のプロセスが強制終了され、再実行で完成しました",
        "again": "全カードにもう一度適用: 変更 {changed} 枚",
        "bound": "本人のマイナンバーカード {count} 枚を紐付けました (カードの内容は 1 バイトも変わりません)",
        "door": "ドア {site}: バッジ {number} ({kind}): {result}",
        "granted": "開きます",
        "refused": "開きません ({reason})",
        "login": "ポータル: ログイントークンを検証しました ({file})",
        "signature": "ポータル: 署名済み PDF を検証しました ({file})",
        "report": "すべて {folder} にあります。{report} をお読みください",
    },
}


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Folder to make (default: tegata-demo-DATE-TIME here).",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON at the end.")
def demo(directory: Path | None, as_json: bool) -> None:
    """The main job once, on simulated cards: needs no reader, no root, no daemon.

    \b
    Twenty-two employees: twenty get employee ID and entry badge on a company card over SCP03; two have
    their own My Number Card bound. One card is torn away in the middle of a write, one process is killed;
    both are finished by running again. Badges are read at a door, a portal gets a login token and a signed
    PDF, and report.html says it all.

    Exit codes: 137 when the folder is there already.
    """
    folder = directory or Path(datetime.now(UTC).strftime("tegata-demo-%Y%m%d-%H%M%S"))
    if folder.exists():
        raise InputError("cardfile.exists", file=folder)
    say = _sayer(as_json)
    with _home(folder.absolute()):
        desk = DemoDesk.set_up(folder.absolute())
        say("order", count=len(desk.lines("company")) + len(desk.lines("holder")), folder=folder)
        with _progress(as_json) as tell:
            desk.issue_all(tell)
        for badge in desk.badges:
            if badge.interrupted:
                say(badge.interrupted, number=badge.line.employee)
        say("again", changed=desk.apply_again())
        desk.bind_all()
        say("bound", count=len(desk.lines("holder")))
        visits = _doors(desk, say)
        jobs = visit_portal(folder.absolute(), desk.card_file(desk.lines("holder")[0]))
        for job in jobs:
            say(job.name, file=job.file.name)
        counts = desk.counts()
        (folder / "company-ca.crl").write_bytes(desk.ca.crl(desk.ledger))
        report = write_report(folder.absolute(), desk.badges, counts, visits, jobs)
        figures = summary(desk.badges, counts)
        desk.ledger.close()
    if as_json:
        click.echo(json.dumps({**figures, "directory": str(folder), "report": report.name}))
        return
    _table(figures)
    say("report", folder=folder, report=folder / report.name)


def _doors(desk: DemoDesk, say: Callable[..., None]) -> list[Visit]:
    """Two company badges, one valid and one expired, and both bound cards, at the same door."""
    numbers = (VALID, EXPIRED)
    with desk.ledger.read() as books:
        bound = bound_records(books)
    visits = []
    for badge in desk.badges:
        if badge.kind == "company" and badge.line.employee not in numbers:
            continue
        reader = open_reader(str(desk.card_file(badge.line)))
        try:
            answer = read_at_door(
                Card(reader.wait_for_card()),
                desk.ring,
                desk.profile,
                SITE,
                datetime.now(UTC),
                access_class=ACCESS,
                bound=bound,
            )
        finally:
            reader.close()
        visits.append(Visit(badge, answer))
        words = WORDS[language()]
        decision = answer.decision
        result = words["granted"] if decision.granted else words["refused"].format(reason=decision.reason)
        say("door", site=SITE, number=answer.record.badge_number, kind=answer.kind, result=result)
    return visits


def _sayer(quiet: bool) -> Callable[..., None]:
    def say(key: str, **values: Any) -> None:
        if not quiet:
            click.echo(WORDS[language()][key].format(**values))

    return say


def _table(figures: dict[str, Any]) -> None:
    table = Table(show_header=False)
    ja = language() == "ja"
    rows = (
        ("発行" if ja else "issued", figures["issued"]),
        ("紐付け" if ja else "bound", figures["bound"]),
        ("失われたカード" if ja else "lost", figures["lost"]),
        ("二重発行 (証明書も)" if ja else "issued twice (certificates too)", figures["twice"]),
        ("1 枚あたり APDU" if ja else "APDUs per badge", figures["apdus_per_badge"]),
        (
            f"1 枚あたりカード時間・秒 ({figures['cost_model']})"
            if ja
            else f"virtual card seconds per badge ({figures['cost_model']})",
            figures["virtual_seconds_per_badge"],
        ),
        (
            "2,000 枚・リーダー 4 台の時間" if ja else "hours for 2,000 badges on four readers",
            figures["hours_for_2000_badges_on_4_readers"],
        ),
    )
    console = Console()
    if not console.is_terminal:
        for name, value in rows:
            click.echo(f"{value}\t{name}")
        return
    for name, value in rows:
        table.add_row(str(value), name)
    console.print(table)


@contextmanager
def _home(folder: Path) -> Iterator[None]:
    """All files of this run, the simulated hierarchy included, lie in the demo's own folder."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on a terminal; nothing elsewhere."""
    console = Console()
    if quiet or not console.is_terminal:
        yield lambda done, total, what: None
        return
    with Progress(
        TextColumn(WORDS[language()]["issue"]),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)
