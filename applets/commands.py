"""``tegata mynumber``: what a My Number Card says, and changing its PINs. Parse, call, print.

``sign`` and ``verify`` stand with the signatures, ``identify`` and ``checkin`` with the jobs at counters.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from ..apdu.authenticity import Verdict
from ..apdu.errors import CardError, InputError, StatusError, Words
from ..apdu.pin import UNLIMITED, PinReference, PinStatus, holder_session
from ..reader_bridge.counter import certificates as shelf
from ..reader_bridge.counter.holder import Place, ask_for, unlocked
from ..reader_bridge.counter.identify import CHECKS
from ..reader_bridge.counter.person import attribute_lines, attributes_json, check_pipe, hand_over
from ..reader_bridge.counter.pictures import IMAGES, check_ending, picture
from ..reader_bridge.counter.survey import ALL_PINS, Survey, pins_of, status_json
from ..reader_bridge.counter.survey import survey as ask_card
from ..reader_bridge.counter.terminal import (
    anchors_option,
    asker,
    check_line,
    confirm,
    json_option,
    pin_options,
    place_options,
    print_json,
    say,
    show,
    typed,
    warn,
    write_private,
)
from ..reader_bridge.counter.trust import certificate_anchors, face_anchors
from ..simulators import pki
from .jpki.host import Jpki
from .jpki.model import PINS as JPKI_PINS
from .jpki.model import JpkiKey
from .juki.host import JukiApplication
from .juki.model import PIN as JUKI_PIN
from .mynumber_common.model import PIN as COMMON_PIN
from .mynumber_probe import plan
from .mynumber_probe import probe as send_probe
from .mynumber_text import model as text_model
from .mynumber_text.host import TextApplication
from .mynumber_visual import model as visual_model
from .mynumber_visual.host import VisualApplication

__all__ = ["mynumber"]

FILE = click.Path(dir_okay=False, path_type=Path)
ELSEWHERE = {
    "sign": "reader_bridge.signing.commands",
    "verify": "reader_bridge.signing.commands",
    "identify": "reader_bridge.counter.commands",
    "checkin": "reader_bridge.counter.commands",
}
CHANGEABLE = ("auth", "sign", "text", "juki")
PIN_OR_A = click.option(
    "--by",
    type=click.Choice(["pin", "check-number-a"]),
    default="pin",
    show_default=True,
    help="What opens it: the 4-digit PIN, or 照合番号 A.",
)
PIN_OR_B = click.option(
    "--by",
    type=click.Choice(["pin", "check-number-b"]),
    default="pin",
    show_default=True,
    help="What opens it: the 4-digit PIN, or 照合番号 B (14 digits, from the face of the card).",
)


class _WithElsewhere(click.Group):
    """Loads the commands that stand in other packages when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = ELSEWHERE.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        root = __package__.rpartition(".")[0]
        command = getattr(import_module(f"{root}.{module}"), cmd_name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=_WithElsewhere)
def mynumber() -> None:
    """Read, check, sign with and look after a My Number Card.

    \b
    Without a card or a reader:
      tegata sim new my-number-card me.sim
      tegata mynumber info --reader sim:me.sim
      tegata mynumber attributes --reader sim:me.sim --pin 1234 --anchors sim

    PINs are typed at a hidden prompt; --pin is for simulated cards (sim:FILE) alone. Before a PIN is asked
    for, the tries left are told; the last one is spent only with --last-try. From then until the closing
    reset no other program reaches the card, so that no PIN stays verified for the next one.

    Exit codes that all of them share: 15 a wrong PIN, 16 a blocked one, 17 one try left, 18 a PIN of another
    form (no try was spent), 30 to 39 the reader, 100 --pin for a real card, 147 and 197 not this kind of
    card, 245 nobody to type the PIN.
    """


@mynumber.command(short_help="What the card tells anybody.")
@place_options
@anchors_option
@click.option("--serial", is_flag=True, help="Show the number of the card itself (製造番号) too.")
@json_option
def info(
    url: str, timeout: float, trace: Path | None, anchors: tuple[str, ...], serial: bool, as_json: bool
) -> None:
    """What the card tells anybody: kind, expiry, municipality, PIN tries, and which keys prove themselves.

    No PIN is needed and no try is spent. The number of the card (製造番号) tells it from all others for ever,
    and so it is shown only on request.
    """
    believed = face_anchors(anchors, pki.cvc_anchors)
    with Place(url, timeout, trace).card() as card:
        found = ask_card(card, believed)
    if as_json:
        print_json(found.to_json(serial=serial))
        return
    show(_info_lines(found, serial))


def _info_lines(found: Survey, serial: bool) -> list[tuple[Words, object]]:
    token, certificate = found.token, found.authentication
    present = {True: Words("yes", "あり"), False: Words("no", "なし")}
    lines: list[tuple[Words, object]] = [
        (Words("Kind of token", "トークンの種類"), f"{token.label} ({token.model})"),
        (Words("Municipality", "市区町村コード"), found.municipality),
        (Words("Card valid until", "カードの有効期限"), found.expiry),
    ]
    if serial and found.serial:
        lines.append((Words("Number of the card", "製造番号"), found.serial.manufacturer_number))
    if certificate:
        valid = certificate.valid(datetime.now(UTC))
        state = f"{certificate.not_after.astimezone(shelf.JST):%Y-%m-%d}"
        ended = Words(f"{state} (ended, or not begun)", f"{state} (有効期間外)")
        lines.append(
            (Words("Login certificate until", "利用者証明用証明書の期限"), state if valid else ended)
        )
    if found.signature_present is not None:
        lines.append((Words("Signature certificate", "署名用証明書"), present[found.signature_present]))
    lines += [_pin_line(status) for status in found.pins if status.tries is not None]
    return lines + [check_line(check, CHECKS | {"key": CHECKS["text key"]}) for check in found.checks]


def _pin_line(status: PinStatus) -> tuple[Words, object]:
    reference, tries = status.reference, status.tries
    name = f"{reference.rule.name} [{reference.key}]"
    if tries == UNLIMITED:
        text = Words("never blocks", "回数の制限なし")
    elif tries is None:
        text = Words("not on this card", "このカードにはありません")
    elif tries == 0:
        text = Words("BLOCKED", "ロックされています")
    else:
        of = status.reference.rule.tries
        text = Words(f"{tries} of {of} tries left", f"残り {tries} 回 (最大 {of} 回)")
    return Words(name, name), text


@mynumber.command(short_help="Tries left of every PIN.")
@place_options
@json_option
def pins(url: str, timeout: float, trace: Path | None, as_json: bool) -> None:
    """How many tries every PIN and check number has left; asking spends none.

    A blocked PIN is unlocked at the municipal office alone.
    """
    with Place(url, timeout, trace).card() as card:
        found = pins_of(card)
    if as_json:
        print_json([status_json(status) for status in found])
    else:
        show(_pin_line(status) for status in found)


@mynumber.command(short_help="Name, address, birth date, sex.")
@place_options
@PIN_OR_B
@pin_options
@anchors_option
@json_option
def attributes(
    url: str,
    timeout: float,
    trace: Path | None,
    by: str,
    value: str | None,
    last_try: bool,
    anchors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Name, address, birth date and sex (基本4情報), and whether the issuer signed them.

    Exit codes: those of "tegata mynumber", and 250 when the data are not those that the issuer signed; then
    nothing is shown.
    """
    place = Place(url, timeout, trace)
    ask, believed = asker(place, value), face_anchors(anchors, pki.cvc_anchors)
    pin = text_model.PIN if by == "pin" else text_model.CHECK_NUMBER_B
    with place.card() as card:
        text = TextApplication(card)
        with unlocked(card, text, pin, ask, last_try=last_try):
            person = text.attributes()
            check = text.check_attributes(believed)
    if check.verdict is Verdict.INVALID:
        raise CardError("identify.invalid", what=check.reason)
    if as_json:
        print_json(attributes_json(person) | {"checks": [check.to_json()]})
    else:
        show([*attribute_lines(person), check_line(check, CHECKS)])


@mynumber.command(short_help="Read the number, for a purpose.")
@place_options
@click.option("--purpose", required=True, help="For which work of 番号法 the number is read.")
@click.option(
    "--output-fd",
    type=click.IntRange(1),
    metavar="N",
    help="Hand the clear number to the program behind this pipe; it is shown nowhere.",
)
@PIN_OR_A
@pin_options
@anchors_option
@json_option
def number(
    url: str,
    timeout: float,
    trace: Path | None,
    purpose: str,
    output_fd: int | None,
    by: str,
    value: str | None,
    last_try: bool,
    anchors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Read the individual number (個人番号) for a purpose of 番号法, and check that the issuer signed it.

    It is masked in all output and never stored. Who needs the digits gives a pipe, and only to a pipe or
    socket they go, never to a terminal or a file:

    \b
      tegata mynumber number --reader pcsc: --purpose 給与支払報告書 --output-fd 3 3>&1 >/dev/null | payroll

    Exit codes: those of "tegata mynumber", 198 no purpose, 247 the descriptor is neither pipe nor socket, 250
    the number is not the one that the issuer signed.
    """
    if not purpose.strip():
        raise InputError("mynumber.purpose")
    check_pipe(output_fd)
    place = Place(url, timeout, trace)
    ask, believed = asker(place, value), face_anchors(anchors, pki.cvc_anchors)
    pin = text_model.PIN if by == "pin" else text_model.CHECK_NUMBER_A
    with place.card() as card:
        text = TextApplication(card)
        with unlocked(card, text, pin, ask, last_try=last_try), text.my_number(purpose) as found:
            check = text.check_number(found, believed)
            masked, fits = str(found), found.check_digit_fits
            if check.verdict is not Verdict.INVALID and output_fd is not None:
                hand_over(found, output_fd)
    if check.verdict is Verdict.INVALID:
        raise CardError("identify.invalid", what=check.reason)
    if as_json:
        read = {"number": masked, "purpose": purpose.strip(), "check_digit_fits": fits}
        print_json(read | {"checks": [check.to_json()]})
        return
    digit = Words("fits", "一致") if fits else Words("does not fit", "不一致")
    show(
        [
            (Words("Individual number", "個人番号"), masked),
            (Words("Purpose", "利用目的"), purpose.strip()),
            (Words("Check digit", "検査用数字"), digit),
            check_line(check, CHECKS),
        ]
    )


@mynumber.command(short_help="Save the photo.")
@place_options
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--what", type=click.Choice(IMAGES), default="photo", show_default=True, help="Which picture.")
@pin_options
@anchors_option
def photo(
    url: str,
    timeout: float,
    trace: Path | None,
    files: tuple[Path, ...],
    what: str,
    value: str | None,
    last_try: bool,
    anchors: tuple[str, ...],
) -> None:
    """Save the photo of the card face, opened by 照合番号 B: FILE.jp2 as on the card, FILE.png for viewers.

    \b
      tegata mynumber photo --reader pcsc: face.jp2 face.png

    Existing files are never overwritten; what is written is readable by you alone.

    Exit codes: those of "tegata mynumber", 40 another ending, 43 a file is there already, 248 it cannot be
    written, 250 the face is not the one that the issuer signed (nothing is written).
    """
    place = Place(url, timeout, trace)
    ask, believed = asker(place, value), face_anchors(anchors, pki.cvc_anchors)
    for file in files:
        check_ending(what, file)
        if file.exists():
            raise InputError("input.exists", path=str(file))
    with place.card() as card:
        visual = VisualApplication(card)
        with unlocked(card, visual, visual_model.CHECK_NUMBER_B, ask, last_try=last_try):
            face, check = visual.card_face(), visual.check_face(believed)
    if check.verdict is Verdict.INVALID:
        raise CardError("identify.invalid", what=check.reason)
    for file, content in [(file, picture(face, what, file)) for file in files]:
        write_private(file, content)
    show([check_line(check, CHECKS)])


@mynumber.command(short_help="The certificates, in words.")
@place_options
@click.option("--signature", is_flag=True, help="The signature certificate too: asks for its password.")
@pin_options
@anchors_option
@json_option
def certs(
    url: str,
    timeout: float,
    trace: Path | None,
    signature: bool,
    value: str | None,
    last_try: bool,
    anchors: tuple[str, ...],
    as_json: bool,
) -> None:
    """The certificates, in words: whose, how long, from which authority, which characters are substitutes.

    The login certificate is free to read and names nobody. The signature certificate holds name, address,
    birth date and sex. Serial numbers (発行の番号) are never shown. Whether a certificate was revoked is not
    asked here.

    Exit codes: those of "tegata mynumber", and 148 when the card has no such certificate.
    """
    place = Place(url, timeout, trace)
    ask, believed = asker(place, value), certificate_anchors(anchors, pki.anchors)
    with place.card() as card:
        found = _read_shelf(Jpki(card), JpkiKey.SIGNATURE if signature else None, ask, last_try)
    entries = [shelf.examine(key, own, authority, believed) for key, own, authority in found]
    if as_json:
        print_json([entry.to_json() for entry in entries])
        return
    for place_in_list, entry in enumerate(entries):
        if place_in_list:
            click.echo()
        show(entry.lines())
    warn(shelf.NOT_CHECKED)


def _read_shelf(jpki: Jpki, wanted: JpkiKey | None, ask: Any, last_try: bool) -> list[shelf.Found]:
    """Both certificates with their authorities'; the login certificate of a phone needs its PIN."""
    if wanted is JpkiKey.SIGNATURE:
        with unlocked(jpki.card, jpki, wanted.pin, ask, last_try=last_try):
            signature = (wanted, jpki.certificate(wanted), jpki.ca_certificate(wanted))
        return [*_read_shelf(jpki, None, ask, last_try), signature]
    key = JpkiKey.AUTHENTICATION
    try:
        with holder_session(jpki.card):
            jpki.select()
            return [(key, jpki.certificate(key), jpki.ca_certificate(key))]
    except StatusError as error:
        if error.sw != 0x6982:
            raise
    with unlocked(jpki.card, jpki, key.pin, ask, last_try=last_try):
        return [(key, jpki.certificate(key), jpki.ca_certificate(key))]


@mynumber.command("change-pin", short_help="Change a PIN.")
@click.argument("which", type=click.Choice(CHANGEABLE))
@place_options
@pin_options
@click.option("--new-pin", metavar="PIN", help="For simulated cards only; else it is asked for, twice.")
def change_pin(
    which: str,
    url: str,
    timeout: float,
    trace: Path | None,
    value: str | None,
    last_try: bool,
    new_pin: str | None,
) -> None:
    """Change a PIN: auth (利用者証明用), sign (署名用), text (券面事項入力補助用) or juki (住民基本台帳用).

    Old and new one are checked for their form before the card is asked. A new signature password has
    letters and digits. Check numbers cannot be changed: they follow from what is printed.
    """
    place = Place(url, timeout, trace)
    ask, ask_new = asker(place, value), asker(place, new_pin, "--new-pin")
    pin = next(pin for pin in ALL_PINS if pin.key == which)
    with place.card() as card:
        application = {"text": TextApplication, "juki": JukiApplication}.get(which, Jpki)(card)
        application.select()
        old = ask_for(application, pin, ask, last_try=last_try)
        new = _new_pin(pin) if new_pin is None else ask_new(pin, UNLIMITED)
        try:
            with holder_session(card):
                application.select()
                application.pins.change(pin, old, new, allow_last_try=last_try)
        finally:
            old.wipe()
            new.wipe()
    say(Words(f"Changed: {pin.rule.name}.", f"変更しました: {pin.rule.name}。"))


def _new_pin(pin: PinReference) -> Any:
    rule = pin.rule.new_rule or pin.rule.rule
    warn(Words(f"The new one: {rule}.", f"新しい値: {rule}。"))
    return typed(pin, None, again=True)


@mynumber.command(short_help="Ask a real card what it can do.")
@place_options
@click.option("--output", type=FILE, help="Write the JSON to this new file (default: standard output).")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="You have read what is sent, and agree.")
def probe(
    url: str, timeout: float, trace: Path | None, output: Path | None, dry_run: bool, yes: bool
) -> None:
    """Ask a real card what it can do: no PIN, read-only, nothing of the person.

    First every command that will be sent is listed. Recorded are the ATR, status words, lengths, and a few
    bytes that many cards share; no certificate, no name, no number of the card. The JSON is for a report, and
    makes a simulated card that behaves alike:

    \b
      tegata mynumber probe --reader pcsc: --output probe.json
      tegata sim new --quirks probe.json my-number-card alike.sim

    Exit codes: 30 to 39 the reader, 43 the file is there already, 246 nobody agreed.
    """
    steps = plan((*JPKI_PINS, *text_model.PINS, *visual_model.PINS, JUKI_PIN, COMMON_PIN))
    for step in steps:
        click.echo(str(step), err=True)
    if dry_run:
        return
    if output is not None and output.exists():
        raise InputError("input.exists", path=str(output))
    what = Words(
        f"These {len(steps)} commands are sent: no PIN, and nothing is written.",
        f"この {len(steps)} 個のコマンドを送ります。暗証番号は使わず、書き込みもしません。",
    )
    confirm(what, yes=yes)
    with Place(url, timeout, trace).card() as card:
        found = send_probe(card, steps)
    text = json.dumps(found, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        write_private(output, text.encode())
        click.echo(output)
