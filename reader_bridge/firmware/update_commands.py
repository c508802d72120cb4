"""``tegata firmware verify``, ``update``, ``confirm``, ``rollback`` and ``log``."""

from __future__ import annotations

from pathlib import Path

import click

from ...apdu.errors import InputError, Words
from .command_options import (
    Place,
    as_json_option,
    force_option,
    goal_options,
    keys_option,
    print_json,
    print_table,
    progress,
    say,
    table_option,
    the_goal,
    wait_option,
)
from .image import read_image
from .journal import Event, Goal, Job, Journal, Stage
from .update import Outcome, Updater
from .way_back import confirm as confirm_image
from .way_back import rollback as roll_back

__all__ = ["confirm", "log", "rollback", "update", "verify"]

_RUNS = {
    "new": Words("the new image", "新しいイメージ"),
    "old": Words("the old image", "元のイメージ"),
    "other": Words("an image that this job does not know", "この更新とは別のイメージ"),
}

_GOALS = {Goal.TEST: Words("test", "試用"), Goal.CONFIRM: Words("confirm", "確定")}
_HAPPENED = {
    Stage.PLANNED.value: Words("planned", "開始"),
    Stage.UPLOADING.value: Words("uploading", "転送"),
    Stage.MARKING.value: Words("marking", "試用の指定"),
    Stage.RESTARTING.value: Words("restarting", "再起動"),
    Stage.CONFIRMING.value: Words("confirming", "確定中"),
    Stage.ON_TRIAL.value: Words("on-trial", "試用中"),
    Stage.DONE.value: Words("done", "完了"),
    Stage.REVERTED.value: Words("reverted", "装置が元に戻した"),
    Stage.ROLLED_BACK.value: Words("rolled-back", "元に戻した"),
    Stage.REFUSED.value: Words("refused", "拒否"),
}


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@keys_option
@click.option("--unsigned", is_flag=True, help="Do not ask who signed it: form and digest alone are checked.")
@as_json_option
@click.pass_obj
def verify(place: Place, file: Path, keys: tuple[Path, ...], unsigned: bool, as_json: bool) -> None:
    """Check a firmware image: form, digest, signature; print version, hardware id and security counter.

    \b
    The signature is checked by two programs that share no code, one of them imgtool. Without --key the
    public keys in firmware/keys of TEGATA_HOME count.

    Exit code: 105 for a file that is damaged, or signed by nobody or by somebody else.
    """
    image = read_image(file)
    signer = None if unsigned else place.keys(keys).check(image)
    if as_json:
        print_json({**image.to_json(), "signed_by": str(signer) if signer else ""})
        return
    counter = "" if image.security_counter is None else str(image.security_counter)
    rows = [
        (Words("File", "ファイル"), str(file)),
        (Words("Size", "サイズ"), str(len(image.data))),
        (Words("Version", "バージョン"), str(image.version)),
        (Words("Hardware id", "ハードウェア ID"), image.hardware_id),
        (Words("Security counter", "セキュリティカウンター"), counter),
        (Words("Digest", "ダイジェスト"), image.digest.hex()),
        (Words("Signed by", "署名"), str(signer) if signer else Words("not checked", "未確認")),
    ]
    print_table(("", ""), rows)


@click.command()
@click.argument("url", metavar="[URL]", required=False)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(dir_okay=False, path_type=Path))
@goal_options
@keys_option
@table_option
@force_option
@wait_option
@as_json_option
@click.pass_obj
def update(
    place: Place,
    url: str | None,
    file: Path | None,
    goal: str | None,
    keys: tuple[Path, ...],
    table: Path | None,
    force: bool,
    seconds: float,
    as_json: bool,
) -> None:
    """Replace the firmware of a device, or go on with an update that was interrupted.

    \b
      tegata firmware update smp:/dev/ttyACM0 reader-1.4.0.bin --key maker.pem --confirm
      tegata firmware update                            says what runs now, and finishes what was begun

    \b
    Before a byte goes out, the image's form, digest, signature, hardware id, version, security counter and
    size are checked, and the compatibility table is asked; the device checks again by itself. --force
    overrides the table alone. The image is started once before it is confirmed; one that does not start is
    left by the device by itself.

    \b
    After a power cut, a pulled cable or a killed tegata, run it without FILE: the journal knows the image
    and what was meant, the device is asked how far it is. With several unfinished updates, name the URL.

    Exit codes: 105 for an image that does not suit, 195 when it was interrupted or another update waits,
    254 when the device refused the image or left it again.
    """
    with progress(as_json) as report:
        updater = Updater(place.journal(), report=report, answers_again=seconds)
        if url is not None and file is not None:
            outcome = updater.update(
                url, read_image(file), place.keys(keys), place.table(table), the_goal(goal), force=force
            )
            outcomes = [outcome]
        elif goal is not None or force:
            raise click.UsageError("--test, --confirm and --force go with an image: URL FILE.")
        else:
            outcomes = _go_on(updater, url, as_json)
            if url is not None and not outcomes:
                updater.check_updatable(url, place.table(table))
    _print(outcomes, as_json)


@click.command()
@click.argument("url", metavar="URL")
@as_json_option
@click.pass_obj
def confirm(place: Place, url: str, as_json: bool) -> None:
    """Keep the image that runs on trial.

    Exit code: 254 when nothing is on trial, or the device has left the image by itself.
    """
    slot = confirm_image(Updater(place.journal()), url)
    _print_running(url, slot.version, slot.confirmed, as_json)


@click.command()
@click.argument("url", metavar="URL")
@wait_option
@as_json_option
@click.pass_obj
def rollback(place: Place, url: str, seconds: float, as_json: bool) -> None:
    """Go back to the image that ran before, and give up an update that was begun.

    \b
    An image on trial is left by a restart. A confirmed one is left for the image in the other slot, where
    the device still holds one and its protection against old images allows it.

    Exit code: 254 when there is nothing to go back to, or the device refuses.
    """
    with progress(as_json) as report:
        slot = roll_back(Updater(place.journal(), report=report, answers_again=seconds), url)
    _print_running(url, slot.version, slot.confirmed, as_json)


@click.command()
@click.argument("url", metavar="[URL]", required=False)
@as_json_option
@click.pass_obj
def log(place: Place, url: str | None, as_json: bool) -> None:
    """Show the updates of this installation, with everything that happened in each."""
    jobs = [job for job in place.journal().jobs() if url in (None, job.url)]
    if as_json:
        print_json([job.model_dump(mode="json") for job in jobs])
        return
    rows = [
        (
            f"{job.begun:%Y-%m-%d %H:%M:%S}Z",
            job.url,
            f"{job.old_version} → {job.new_version}",
            say(_GOALS[job.goal]),
            ", ".join(map(_happened, job.history)),
        )
        for job in jobs
    ]
    headings = (
        Words("Begun", "開始"),
        "URL",
        Words("Version", "バージョン"),
        Words("Goal", "目的"),
        Words("History", "経過"),
    )
    print_table(headings, rows)


def _happened(event: Event) -> str:
    return f"{say(_HAPPENED.get(event.what, event.what))} {event.detail}".strip()


def _go_on(updater: Updater, url: str | None, as_json: bool) -> list[Outcome]:
    """Finish the unfinished job; look after those on trial when there is none."""
    waiting = [job for job in updater.journal.unfinished() if url in (None, job.url)]
    if url is not None and not waiting and updater.journal.unfinished():
        waiting = list(filter(None, [updater.moved_to(url)]))
    if len(waiting) > 1:
        raise InputError("firmware.several", urls=", ".join(job.url for job in waiting))
    if not waiting:
        return [updater.look(job) for job in _on_trial(updater.journal, url)]
    [job] = waiting
    if not as_json:
        click.echo(say(_begun(job)), err=True)

    def tell(outcome: Outcome) -> None:
        if not as_json:
            click.echo(say(_runs_now(outcome)), err=True)

    return [updater.resume(job, tell)]


def _on_trial(journal: Journal, url: str | None) -> list[Job]:
    """The newest job of each device that left its image on trial."""
    newest = {job.url: job for job in journal.jobs() if url in (None, job.url)}
    return [job for job in newest.values() if job.stage is Stage.ON_TRIAL]


def _begun(job: Job) -> Words:
    day = f"{job.begun:%Y-%m-%d %H:%M}Z"
    return Words(
        f"{job.url}: the update to {job.new_version}, begun {day}, is not finished ({job.stage.value}).",
        f"{job.url}: {day} に始めた {job.new_version} への更新が途中です ({job.stage.value})。",
    )


def _runs_now(outcome: Outcome) -> Words:
    runs = _RUNS[outcome.runs]
    state = Words("confirmed", "確定済み") if outcome.confirmed else Words("on trial", "試用中")
    url, version = outcome.job.url, outcome.version
    return Words(
        f"{url}: {runs} runs now, {version}, {state}.", f"{url}: {runs.ja} {version} が動作中 ({state.ja})。"
    )


def _advice(outcome: Outcome) -> Words | None:
    job = outcome.job
    if job.stage is Stage.ON_TRIAL:
        return Words(
            f"Keep it with tegata firmware confirm {job.url}; it goes at the next restart otherwise.",
            f"残すには tegata firmware confirm {job.url} を実行してください。次の再起動で元に戻ります。",
        )
    if job.stage is Stage.REVERTED:
        return Words(
            f"The device left {job.new_version} by itself: it was restarted before it was confirmed.",
            f"装置は確定前に再起動し、{job.new_version} から自動的に戻りました。",
        )
    return None


def _print(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        print_json([outcome.to_json() for outcome in outcomes])
        return
    if not outcomes:
        click.echo(say(Words("No update is unfinished.", "途中の更新はありません。")))
    for outcome in outcomes:
        for warning in outcome.warnings:
            text = Words(f"Overridden with --force: {warning}.", f"--force で無視: {warning.ja}。")
            click.echo(say(text), err=True)
        click.echo(say(_runs_now(outcome)))
        if (advice := _advice(outcome)) is not None:
            click.echo(say(advice))


def _print_running(url: str, version: str, confirmed: bool, as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "version": version, "confirmed": confirmed})
        return
    state = Words("confirmed", "確定済み") if confirmed else Words("on trial", "試用中")
    click.echo(say(Words(f"{url}: {version} runs, {state}.", f"{url}: {version} が動作中 ({state.ja})。")))
