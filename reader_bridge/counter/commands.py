"""``tegata mynumber identify`` and ``tegata mynumber checkin``: parse, call, print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from ...apdu.errors import InputError, Words, language
from ...simulators import pki
from .checkin import CheckinDesk
from .holder import Place
from .identify import CHECKS, Identification
from .identify import identify as identify_holder
from .person import sex_words
from .pictures import check_ending, picture
from .session import Arrived, Event, Failed, Session, Undone
from .terminal import (
    ERASE_LINE,
    anchors_option,
    asker,
    check_line,
    confirm,
    json_option,
    place_options,
    print_json,
    say,
    show,
    warn,
    write_private,
)
from .trust import face_anchors

__all__ = ["checkin", "identify"]

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
PROMPT = Words("Check number B (p: PIN, u: undo, q: end): ", "照合番号 B (p: 暗証番号、u: 取消、q: 終了): ")


@click.command(short_help="Identify a holder by the card face.")
@place_options
@click.option("--check-number", "value", metavar="B", help="For simulated cards only; else it is asked for.")
@click.option("--last-try", is_flag=True, help="Spend the last try, after being told that it is.")
@click.option("--record", type=FILE, help="Write the record of this check (JSON) to this new file.")
@click.option("--photo", type=FILE, help="Write the photo to this new file (*.png or *.jp2).")
@anchors_option
@json_option
def identify(
    url: str,
    timeout: float,
    trace: Path | None,
    value: str | None,
    last_try: bool,
    record: Path | None,
    photo: Path | None,
    anchors: tuple[str, ...],
    as_json: bool,
) -> None:
    """本人確認 at a counter: open the card face by 照合番号 B, typed from the print, and check it.

    \b
      tegata mynumber identify --reader pcsc: --anchors FOLDER --record check.json --photo face.png

    The individual number is never read. "Genuine" is said only when every signature leads to an anchor that
    you gave and the card proves that it holds a key of its own. The record has issuer, validity and the data
    of the face; it has neither the number nor a check number. The photo is written only where you ask for it.

    Exit codes: 0 genuine and valid; 249 consistent, but nobody vouches for it; 250 do not accept it; 251 the
    card has ended; 253 it may be a copy; and those of "tegata mynumber". The record is written in all these
    cases.
    """
    place = Place(url, timeout, trace)
    ask, believed = asker(place, value, "--check-number"), face_anchors(anchors, pki.cvc_anchors)
    if photo is not None:
        check_ending("photo", photo)
    for path in (record, photo):
        if path is not None and path.exists():
            raise InputError("input.exists", path=str(path))
    with place.card() as card:
        found = identify_holder(card, ask, believed, last_try=last_try)
    if record is not None:
        text = json.dumps(found.to_json(), ensure_ascii=False, indent=2) + "\n"
        write_private(record, text.encode())
    if photo is not None:
        write_private(photo, picture(found.face, "photo", photo))
    if as_json:
        print_json(found.to_json())
    else:
        show(_lines(found))
    found.judge()
    if not as_json:
        say(Words("Genuine, and valid today.", "真正なカードで、有効期間内です。"))


def _lines(found: Identification) -> list[tuple[Words, object]]:
    face, text = found.face, found.attributes
    birth = f"{face.birth[:4]}-{face.birth[4:6]}-{face.birth[6:]}"
    return [
        (Words("Name", "氏名"), text.name if text else None),
        (Words("Address", "住所"), text.address if text else None),
        (Words("Birth date", "生年月日"), birth),
        (Words("Sex", "性別"), sex_words(face.sex)),
        (Words("Issued by municipality", "発行した市区町村コード"), found.municipality),
        (Words("Valid until", "有効期限"), face.expiry),
        *(check_line(check, CHECKS) for check in found.checks),
    ]


@click.group(short_help="Check people in, without a network.")
def checkin() -> None:
    """Check people in at a shelter or an event, without a network.

    \b
      tegata mynumber checkin new shelter --recipient organisation.pem
      tegata mynumber checkin run shelter --reader pcsc:
      tegata mynumber checkin export shelter records.zip
      tegata mynumber checkin purge shelter

    Name, address, birth date and sex are encrypted at once to the organisation's public key; whoever finds
    the computer finds no list of people. A second visit is noticed by a keyed hash. With the organisation's
    private key, "openssl cms -decrypt" reads the exported records.
    """


@checkin.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--recipient", type=FILE, required=True, help="The organisation's RSA certificate (PEM or DER)."
)
@click.option("--label", help="The event's name in each record (default: the folder's).")
def new(folder: Path, recipient: Path, label: str | None) -> None:
    """Make an event in the new FOLDER.

    Exit codes: 41 the certificate's file, 242 the folder is there already, 243 an unusable certificate.
    """
    try:
        certificate = recipient.read_bytes()
    except OSError as error:
        raise InputError("input.file", path=str(recipient), what=error.strerror) from error
    CheckinDesk.create(folder, label or folder.name, certificate).close()
    click.echo(folder)


@checkin.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--reader",
    "urls",
    required=True,
    multiple=True,
    metavar="URL",
    help="pcsc:NAME, or sim:FILE; given several times, their cards are taken in turn.",
)
@click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for each card.")
@click.option("--trace", type=FILE, help="Add a recording here; PINs and personal data are left out.")
@anchors_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def run(
    folder: Path,
    urls: tuple[str, ...],
    timeout: float,
    trace: Path | None,
    anchors: tuple[str, ...],
    as_json: bool,
) -> int:
    """Take card after card, until q.

    For each: put the card on the reader and type 照合番号 B from its face (14 digits), or p and let the
    holder type the 4-digit PIN. The key u takes the last arrival back. Works from a pipe, too. With --anchors
    only cards whose attributes lead to an anchor are taken.

    Exit codes: 0; 241 no event; from a pipe, that of the last card that was not taken.
    """
    desk = CheckinDesk(folder)
    places = tuple(Place(url, timeout, trace) for url in urls)
    failed = 0
    try:
        session = Session(desk, places, face_anchors(anchors, pki.cvc_anchors), _typed())
        for event in session.run(_take_away):
            if as_json:
                click.echo(json.dumps(_event_json(event), ensure_ascii=False))
            else:
                _print(event)
            if isinstance(event, Failed):
                failed = event.error.exit_code
    finally:
        desk.close()
    return 0 if sys.stdin.isatty() else failed


def _typed() -> Iterator[str]:
    """Lines of a terminal, wiped after they were typed, or of a pipe."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        click.echo(PROMPT.in_language(language()), nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if sys.stderr.isatty():
            click.echo(ERASE_LINE, nl=False, err=True)
        yield line


def _take_away() -> None:
    warn(Words("Take the card away.", "カードを取ってください。"))


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _print(event: Event) -> None:
    match event:
        case Arrived(arrival, person, count):
            # The name is for the operator's eyes: never into a file or a pipe.
            name = f" {person.name}" if sys.stdout.isatty() else ""
            if arrival.again is None:
                say(
                    Words(
                        f"{arrival.number}: arrived{name}. {count} here.",
                        f"{arrival.number}: 受付{name}。計 {count} 人。",
                    )
                )
                return
            since = _local(arrival.again)
            say(
                Words(
                    f"{arrival.number}:{name} here since {since}; not counted again.",
                    f"{arrival.number}:{name} {since} に受付済みです。数えていません。",
                )
            )
        case Undone(None):
            say(Words("There is nothing to take back.", "取り消すものがありません。"))
        case Undone(number):
            say(Words(f"{number}: taken back.", f"{number}: 取り消しました。"))
        case Failed(error):
            click.echo(f"{error.sentence()} {error.next_step()}", err=True)


def _event_json(event: Event) -> dict[str, object]:
    """Nothing of the person."""
    match event:
        case Arrived(arrival, _, count):
            since = arrival.again.isoformat() if arrival.again else None
            return {"event": "arrival", "number": arrival.number, "again_since": since, "count": count}
        case Undone(number):
            return {"event": "undo", "number": number}
        case Failed(error):
            return {"event": "failure", "code": error.code, "exit_code": error.exit_code}


@checkin.command()
@click.argument("folder", type=FOLDER)
def undo(folder: Path) -> None:
    """Take the last arrival back (in "run", the key u). Its record is overwritten."""
    desk = CheckinDesk(folder)
    try:
        _print(Undone(desk.undo()))
    finally:
        desk.close()


@checkin.command()
@click.argument("folder", type=FOLDER)
@click.argument("file", type=FILE)
@json_option
def export(folder: Path, file: Path, as_json: bool) -> None:
    """Write all records, still encrypted, into the new ZIP FILE.

    \b
      tegata mynumber checkin export shelter records.zip
      unzip records.zip
      openssl cms -decrypt -inform DER -in 0001.p7m -inkey organisation.key -recip organisation.pem

    Exit codes: 241 no event, 244 the file is there already or cannot be made.
    """
    desk = CheckinDesk(folder)
    try:
        count = desk.export(file)
    finally:
        desk.close()
    if as_json:
        print_json({"records": count, "file": str(file)})
    else:
        say(Words(f"{count} records, encrypted: {file}", f"{count} 件 (暗号化): {file}"))


@checkin.command()
@click.argument("folder", type=FOLDER)
@click.option("--yes", is_flag=True, help="The records are no longer needed here.")
def purge(folder: Path, yes: bool) -> None:
    """Destroy the event: the key of the hashes first, then all records, overwritten. Cannot be undone.

    Exit codes: 241 no event, 246 nobody agreed.
    """
    desk = CheckinDesk(folder)
    try:
        count = desk.count
        what = Words(f"{count} records are destroyed for ever.", f"{count} 件の記録を完全に消去します。")
        confirm(what, yes=yes)
        desk.purge()
    finally:
        desk.close()
    say(Words(f"Destroyed: {count} records.", f"消去しました: {count} 件。"))
