"""``tegata firmware fleet``: many devices at once."""

from __future__ import annotations

from pathlib import Path

import click

from ...apdu.errors import InputError, ReaderError, Words
from .command_options import (
    Place,
    as_json_option,
    devices_option,
    force_option,
    goal_options,
    keys_option,
    print_json,
    print_table,
    say,
    table_option,
    the_goal,
    urls_of,
    wait_option,
)
from .device_commands import print_entries
from .image import FirmwareImage, read_image
from .inventory import inventory
from .journal import Goal
from .policy import Judgement, Meets, Policy, Requirement
from .rollout import Member, Rollout, Rollouts, State, any_device, carry_out, policy_images
from .update import Updater

__all__ = ["fleet"]

_urls = click.argument("urls", metavar="[URL]...", nargs=-1)
_policy = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What each model must run at least (TOML), and from which image.",
)
_MEETS = {
    Meets.YES: Words("meets it", "適合"),
    Meets.TOO_OLD: Words("too old", "旧版"),
    Meets.NO_RULE: Words("no rule", "規定なし"),
    Meets.UNREACHABLE: Words("does not answer", "応答なし"),
}
_STATES = {
    State.WAITING: Words("waits", "待機"),
    State.DONE: Words("updated", "更新済み"),
    State.ALREADY: Words("had it already", "更新不要"),
    State.NO_RULE: Words("no rule", "規定なし"),
    State.FAILED: Words("failed", "失敗"),
}


class _Waves(click.ParamType[tuple[int, ...]]):
    name = "waves"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            sizes = ()
        if not sizes or any(size < 1 for size in sizes):
            self.fail("sizes of waves are written like 1,4,15", param, ctx)
        return sizes


@click.group()
def fleet() -> None:
    """Many devices: what runs where, whether that is enough, and updates in waves.

    The devices are named, listed in a file (--devices), or those found on this machine.
    """


@fleet.command("inventory")
@_urls
@devices_option
@click.pass_obj
def take_inventory(place: Place, urls: tuple[str, ...], lists: tuple[Path, ...]) -> None:
    """Print every device with model, firmware, serial number and hardware id, as JSON."""
    print_entries(list(inventory(urls_of(urls, lists) or place.find())), as_json=True)


@fleet.command()
@_urls
@devices_option
@click.option(
    "--policy",
    "policy_file",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What each model must run at least (TOML).",
)
@as_json_option
@click.pass_obj
def check(
    place: Place, urls: tuple[str, ...], lists: tuple[Path, ...], policy_file: Path, as_json: bool
) -> None:
    """Check that every device runs what the policy asks for at least.

    \b
    A policy is a TOML file:
      format = 1
      [[require]]
      model = "gate-reader"
      at_least = "1.4.0"
      image = "gate-reader-1.4.0.bin"

    Exit code: 145 when a device runs less, or does not answer.
    """
    policy = Policy.load(policy_file)
    judged = policy.judge(inventory(urls_of(urls, lists) or place.find()))
    if as_json:
        print_json([judgement.to_json() for judgement in judged])
    else:
        headings = (
            "URL",
            Words("Firmware", "ファームウェア"),
            Words("At least", "必要"),
            Words("Result", "結果"),
        )
        print_table(headings, [_row(judgement) for judgement in judged])
    failed = [judgement.entry.url for judgement in judged if not judgement.passed]
    if failed:
        raise ReaderError("firmware.policy", count=len(failed), total=len(judged), urls=", ".join(failed))


@fleet.command("update")
@_urls
@devices_option
@_policy
@click.option(
    "--image",
    "image_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="One image for every device of the list.",
)
@goal_options
@click.option(
    "--waves",
    type=_Waves(),
    default="1,4,15",
    show_default=True,
    help="Devices of the first, second, … wave; the last number holds for all further ones.",
)
@click.option(
    "--stop-after",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Stop when so many devices have failed.",
)
@keys_option
@table_option
@force_option
@wait_option
@click.option("--abandon", is_flag=True, help="Give up the rollout that waits; devices stay as they are.")
@as_json_option
@click.pass_obj
def fleet_update(
    place: Place,
    urls: tuple[str, ...],
    lists: tuple[Path, ...],
    policy_file: Path | None,
    image_file: Path | None,
    goal: str | None,
    waves: tuple[int, ...],
    stop_after: int,
    keys: tuple[Path, ...],
    table: Path | None,
    force: bool,
    seconds: float,
    abandon: bool,
    as_json: bool,
) -> None:
    """Update many devices in waves, and stop when too many fail.

    \b
      tegata firmware fleet update --devices doors.txt --policy policy.toml --key maker.pem
      tegata firmware fleet update --key maker.pem      goes on with the rollout that was stopped

    \b
    Each image is started and answers before it is confirmed (--confirm, the default) or is left on trial
    (--test). A device that runs what the policy asks for is left alone. After a stop, put right what failed
    and run it without --image and --policy: what is done is done, what failed is tried again.

    Exit code: 145 when it was stopped, or a device failed.
    """
    rollouts, trusted = Rollouts(place.folder), place.keys(keys)
    images = _images(image_file, policy_file)
    if not images and (urls or lists or goal or force):
        raise click.UsageError("Devices, --test, --confirm and --force go with --image or --policy.")
    if abandon:
        rollouts.finish(_waiting(rollouts))
        return
    if images:
        for _, image in images:
            trusted.check(image)
        named = urls_of(urls, lists) or place.find()
        ends = the_goal(goal, Goal.CONFIRM)
        rollout = rollouts.begin(named, images, goal=ends, waves=waves, stop_after=stop_after, force=force)
    else:
        rollout = _waiting(rollouts)

    def report(wave: int, member: Member) -> None:
        if not as_json:
            click.echo(say(_line(wave, member)), err=True)

    try:
        updater = Updater(place.journal(), answers_again=seconds)
        carry_out(rollout, rollouts, updater, trusted, place.table(table), report)
    finally:
        _print(rollout, as_json)


def _images(image_file: Path | None, policy_file: Path | None) -> list[tuple[Requirement, FirmwareImage]]:
    """What goes where; nothing when the rollout that waits is to go on."""
    if image_file is not None and policy_file is not None:
        raise click.UsageError("Give --image or --policy, not both.")
    if image_file is not None:
        return [any_device(read_image(image_file))]
    return policy_images(Policy.load(policy_file), policy_file, read_image) if policy_file else []


def _waiting(rollouts: Rollouts) -> Rollout:
    rollout = rollouts.unfinished()
    if rollout is None:
        raise InputError("firmware.no_rollout")
    return rollout


def _line(wave: int, member: Member) -> Words:
    state, more = _STATES[member.state], member.version or member.sentence
    return Words(
        f"wave {wave}: {member.url}: {state}: {more}", f"第 {wave} 波: {member.url}: {state.ja}: {more}"
    )


def _row(judgement: Judgement) -> tuple[str, ...]:
    identity, rule = judgement.entry.identity, judgement.requirement
    firmware = identity.firmware if identity else ""
    return (judgement.entry.url, firmware, str(rule.at_least) if rule else "", _MEETS[judgement.meets])


def _print(rollout: Rollout, as_json: bool) -> None:
    if as_json:
        print_json(rollout.to_json())
        return
    headings = (Words("Wave", "波"), "URL", Words("State", "状態"), Words("Version", "バージョン"), "")
    rows = [
        (str(wave), member.url, _STATES[member.state], member.version, member.sentence)
        for wave, members in rollout.in_waves()
        for member in members
    ]
    print_table(headings, rows)
