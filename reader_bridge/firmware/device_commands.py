"""``tegata firmware list``, ``info``, ``selftest`` and ``find-me``: asking one device, or all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...apdu.devices import FindMe, ImageSlot, Updatable, Verdict, open_device
from ...apdu.errors import ReaderError, Words
from .command_options import (
    Place,
    as_json_option,
    devices_option,
    identity_rows,
    print_json,
    print_table,
    say,
    table_option,
    urls_of,
)
from .inventory import Entry, inventory

__all__ = ["find_me", "info", "list_devices", "print_entries", "selftest"]

_VERDICTS = {
    Verdict.PASSED: Words("passed", "合格"),
    Verdict.FAILED: Words("failed", "不合格"),
    Verdict.SKIPPED: Words("skipped", "対象外"),
}
_HEADINGS = (
    "URL",
    Words("Model", "機種"),
    Words("Firmware", "ファームウェア"),
    Words("Serial number", "製造番号"),
    Words("Hardware id", "ハードウェア ID"),
)
_NOBODY = Words(
    "Nothing answered on the serial ports of this machine. Name the device (tegata firmware list "
    "smp:/dev/ttyACM0), or find out why: tegata readers doctor.",
    "この機械のシリアルポートから応答はありませんでした。"
    "装置を指定するか (tegata firmware list smp:/dev/ttyACM0)、"
    "tegata readers doctor で原因を調べてください。",
)


@click.command("list")
@click.argument("urls", metavar="[URL]...", nargs=-1)
@devices_option
@as_json_option
@click.pass_obj
def list_devices(place: Place, urls: tuple[str, ...], lists: tuple[Path, ...], as_json: bool) -> None:
    """List devices with model, firmware and serial number.

    \b
    Without names, the serial ports of this machine are asked in turn, timidly: nothing is written that
    alters a device, and a port that another program uses is left alone. Devices behind a network are named:
      tegata firmware list smp:/dev/ttyACM0 pn532:/dev/ttyUSB0 smp:socket://door-3.example:4001

    A device that does not answer is listed with the reason; the command itself ends with 0.
    """
    entries = list(inventory(urls_of(urls, lists) or place.find()))
    if entries or as_json:
        print_entries(entries, as_json)
    else:
        click.echo(say(_NOBODY), err=True)


@click.command()
@click.argument("url", metavar="URL")
@table_option
@as_json_option
@click.pass_obj
def info(place: Place, url: str, table: Path | None, as_json: bool) -> None:
    """Say who a device is, what runs in it, and whether that can be replaced.

    Exit codes: 28 and 29 when the line cannot be opened or is silent, 175 for a URL that names no device.
    """
    compatibility = place.table(table)
    device = open_device(url)
    try:
        identity = device.identity()
        slots = list(device.images()) if isinstance(device, Updatable) else []
    finally:
        device.close()
    never = compatibility.why_never(identity)
    if as_json:
        print_json(
            {
                **identity.to_json(),
                "why_not_updatable": say(never) if never else "",
                "images": [_slot_json(slot) for slot in slots],
            }
        )
        return
    rows = identity_rows(identity)
    if never:
        rows.append((Words("Update", "更新"), never))
    rows += [(Words(f"Image {slot.slot}", f"イメージ {slot.slot}"), describe_slot(slot)) for slot in slots]
    print_table(("", ""), rows)


@click.command()
@click.argument("url", metavar="URL")
@as_json_option
def selftest(url: str, as_json: bool) -> None:
    """Let a device check itself: line, memory, antenna, whatever it can.

    Exit codes: 175 when a check failed, 28 and 29 when the line cannot be opened or is silent.
    """
    device = open_device(url)
    try:
        findings = list(device.selftest())
    finally:
        device.close()
    if as_json:
        print_json(
            [
                {"name": item.name, "verdict": item.verdict.value, "sentence": say(item.sentence)}
                for item in findings
            ]
        )
    else:
        rows = [(item.name, _VERDICTS[item.verdict], item.sentence) for item in findings]
        print_table((Words("Check", "検査"), Words("Result", "結果"), ""), rows)
    failed = [item.name for item in findings if item.verdict is Verdict.FAILED]
    if failed:
        raise ReaderError("device.selftest", url=url, checks=", ".join(failed))


@click.command("find-me")
@click.argument("url", metavar="URL")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=10.0,
    show_default=True,
    help="How long it shows itself.",
)
def find_me(url: str, seconds: float) -> None:
    """Let a device show where it is: a lamp, a buzzer, a blinking field.

    Exit code: 175 for a device that has nothing to show itself with.
    """
    device = open_device(url)
    try:
        if not isinstance(device, FindMe):
            raise ReaderError("device.unable", url=url)
        here = Words(
            f"{url} shows itself for {seconds:g} seconds: look and listen.",
            f"{url} が {seconds:g} 秒間、光や音で居場所を示します。",
        )
        click.echo(say(here))
        device.find_me(seconds)
    finally:
        device.close()


def print_entries(entries: Sequence[Entry], as_json: bool) -> None:
    """Devices as a table, or as JSON."""
    if as_json:
        print_json([entry.to_json() for entry in entries])
        return
    print_table(_HEADINGS, [_row(entry) for entry in entries])


def describe_slot(slot: ImageSlot) -> str:
    """Version, digest and marks of one image, as a person reads them."""
    marks = [say(words) for present, words in _marks(slot) if present]
    return f"{slot.version}  {slot.digest.hex()[:16]}  {', '.join(marks)}".rstrip()


def _marks(slot: ImageSlot) -> list[tuple[bool, Words]]:
    return [
        (slot.active, Words("runs", "動作中")),
        (slot.active and slot.confirmed, Words("confirmed", "確定済み")),
        (slot.active and not slot.confirmed, Words("on trial", "試用中")),
        (slot.pending, Words("starts next", "次回起動")),
        (not slot.bootable, Words("cannot start", "起動不可")),
    ]


def _slot_json(slot: ImageSlot) -> dict[str, Any]:
    return {
        "slot": slot.slot,
        "version": slot.version,
        "digest": slot.digest.hex(),
        "active": slot.active,
        "confirmed": slot.confirmed,
        "pending": slot.pending,
        "permanent": slot.permanent,
        "bootable": slot.bootable,
    }


def _row(entry: Entry) -> tuple[str, ...]:
    if entry.identity is None:
        return (entry.url, "-", entry.error.sentence() if entry.error else "", "", "")
    known = entry.identity
    return (known.url, known.model, known.firmware, known.serial, known.hardware_id)
