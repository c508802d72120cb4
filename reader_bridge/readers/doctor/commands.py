"""``tegata readers doctor``: parse, examine, print."""

from __future__ import annotations

import json

import click

from ....apdu.errors import ReaderError, Words, language
from . import Doctor, Finding, Severity, System, ask_service, next_step

__all__ = ["doctor"]

_MARKS = {
    Severity.GOOD: ("  ok  ", "green"),
    Severity.UNKNOWN: ("   ?  ", "cyan"),
    Severity.WARNING: (" warn ", "yellow"),
    Severity.PROBLEM: (" BAD  ", "red"),
}
_DO = Words("What to do: {step}", "次にすること: {step}")
_FINE = Words("Nothing is wrong.", "問題は見つかりません。")


@click.command()
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("--probe", is_flag=True, help="Without URL: ask every free serial port what lives on it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def doctor(urls: tuple[str, ...], probe: bool, as_json: bool) -> None:
    """Find out why a reader does not work, and the one thing to do about it.

    \b
    Without URL it looks at everything that could be a reader: USB devices, the PC/SC service and its
    readers, serial ports. A URL names one of them:
      tegata readers doctor pn532:/dev/ttyUSB0        and gemcore:, smp:, osdp:, or the path alone
      tegata readers doctor pcsc:Identiv

    \b
    Looked at are cable, permission, programs and lock files that keep the port busy, kernel drivers that
    take a reader for themselves, pcscd, its drivers and polkit, and a vpcd that is open to the network. A
    serial port that is named is asked what lives on it, by questions that alter nothing; one that is in use
    is left alone. Nothing is changed, and no card is powered.

    Exit codes: 193 when something keeps a reader from working, or the URL names none.
    """
    examining = Doctor(System(), ask_service, probe=probe)
    found = [finding for url in urls for finding in examining.reader(url)] if urls else examining.machine()
    found = list(dict.fromkeys(found))
    step = next_step(found)
    if as_json:
        texts = [finding.to_json(language()) for finding in found]
        click.echo(
            json.dumps({"findings": texts, "next_step": step.in_language(language())}, ensure_ascii=False)
        )
    else:
        _print(found)
    problems = [finding for finding in found if finding.severity is Severity.PROBLEM]
    if problems:
        raise ReaderError("doctor.problem", what=problems[0].sentence, step=step)
    if not as_json:
        last = Words(_DO.format(step=step), _DO.ja.format(step=step.ja)) if step else _FINE
        click.echo(last.in_language(language()))


def _print(found: list[Finding]) -> None:
    for finding in found:
        mark, colour = _MARKS[finding.severity]
        sentence = finding.sentence.in_language(language())
        click.echo(f"{click.style(mark, fg=colour)} {sentence}")
