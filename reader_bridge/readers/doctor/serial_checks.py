"""Checks of one serial port: is it there, may we use it, does another program have it, does a reader answer.

The last one sends something, and is therefore made only when asked for, and only when the others are well.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from ....apdu.errors import ReaderError, Words
from ..probe import PROTOCOLS, ProbeResult, Seen, probe_line
from .finding import Finding, Severity
from .system import Process, System

__all__ = ["check_port", "check_wire", "usable"]

PTS = "/dev/pts/"
PTY_MASTERS = {"/dev/ptmx", "/dev/pts/ptmx"}
MEDDLERS = {
    "ModemManager": "ModemManager",
    "brltty": "brltty",
}
"""Programs that open every new serial port and write into it: process name to systemd unit."""


def check_port(system: System, port: str) -> list[Finding]:
    """All checks of ``port`` that send nothing, in the order in which they rest on each other."""
    try:
        found = system.path(system.resolve(port)).stat()
    except OSError as error:
        return [_absent(system, port, error)]
    return [
        Finding("port", port, Severity.GOOD, Words(f"{port} is there.", f"{port} があります。")),
        _permission(system, port, found),
        _busy(system, port),
        *_locked(system, port),
        *_meddled(system, port),
    ]


def usable(findings: list[Finding]) -> bool:
    """Whether nothing found so far keeps the port from being opened, or would disturb another program."""
    disturbing = (Severity.PROBLEM, Severity.UNKNOWN)
    return not any(finding.severity in disturbing for finding in findings)


def _absent(system: System, port: str, error: OSError) -> Finding:
    if error.errno == errno.EACCES:
        shut = Words(f"{port} cannot be looked at.", f"{port} を調べられません。")
        step = Words(
            "Run this as the user who may, for example root.",
            "root など権限のあるユーザーで実行してください。",
        )
        return Finding("port", port, Severity.UNKNOWN, shut, step)
    there = ", ".join(system.serial_ports)
    known = (
        Words(f"there is {there}", f"あるもの: {there}")
        if there
        else Words("there is none", "一つもありません")
    )
    return Finding(
        "port",
        port,
        Severity.PROBLEM,
        Words(f"{port} does not exist ({known}).", f"{port} がありません ({known.ja})。"),
        Words(
            "Plug the reader in, or name the port that it has (dmesg tells the last one).",
            "リーダーを接続するか、正しいポート名を指定してください (dmesg に表示されます)。",
        ),
    )


def _permission(system: System, port: str, found: os.stat_result) -> Finding:
    mode, gid = stat.S_IMODE(found.st_mode), found.st_gid
    shown = stat.filemode(found.st_mode)
    if _may(system, port, found):
        fine = Words(f"You may use {port} ({shown}).", f"{port} を使う権限があります ({shown})。")
        return Finding("permission", port, Severity.GOOD, fine)
    group = system.group_name(gid)
    refused = Words(
        f"You may not use {port} ({shown}, group {group}).",
        f"{port} を使う権限がありません ({shown}、グループ {group})。",
    )
    if mode & 0o060 != 0o060:
        step = Words(
            f"Give a group the right to use {port}, by a udev rule.",
            f"udev ルールで {port} の権限をグループに与えてください。",
        )
    elif system.is_member(gid):
        step = Words(
            f"Log out and in again: you are in the group {group} only from then on.",
            f"一度ログアウトしてください。次のログインからグループ {group} が有効になります。",
        )
    else:
        step = Words(
            f'Run: sudo usermod --append --groups {group} "$USER", then log out and in again.',
            f'sudo usermod --append --groups {group} "$USER" を実行し、ログインし直してください。',
        )
    return Finding("permission", port, Severity.PROBLEM, refused, step)


def _may(system: System, port: str, found: os.stat_result) -> bool:
    if system.path("/") == system.path("/").parent and os.access(port, os.R_OK | os.W_OK):
        return True  # access control lists are obeyed here, too
    if system.uid == 0:
        return True
    if found.st_uid == system.uid:
        return found.st_mode & 0o600 == 0o600
    if found.st_gid in system.groups:
        return found.st_mode & 0o060 == 0o060
    return found.st_mode & 0o006 == 0o006


def holders(system: System, port: str) -> list[Process]:
    """Other processes that have ``port`` open. The one at the other end of a pty is no competitor."""
    device = system.resolve(port)
    other_end = PTY_MASTERS if device.startswith(PTS) else set()
    return [
        item
        for item in system.processes
        if item.files and device in item.files and not item.files & other_end and item.pid != os.getpid()
    ]


def _busy(system: System, port: str) -> Finding:
    found = holders(system, port)
    if found:
        who = ", ".join(map(str, found))
        return Finding(
            "busy",
            port,
            Severity.PROBLEM,
            Words(f"{port} is in use by {who}.", f"{port} は {who} が使っています。"),
            _let_go(found[0], port),
        )
    if any(item.files is None for item in system.processes):
        return Finding(
            "busy",
            port,
            Severity.GOOD,
            Words(
                f"No program of yours has {port} open; those of other users do not show themselves.",
                f"あなたのプログラムは {port} を使っていません (他のユーザーのものは見えません)。",
            ),
        )
    free = Words(f"No program has {port} open.", f"{port} を使っているプログラムはありません。")
    return Finding("busy", port, Severity.GOOD, free)


def _let_go(holder: Process, port: str) -> Words:
    if holder.name == "pcscd":
        return Words(
            f"Use the reader as pcsc:, or take {port} out of /etc/reader.conf.d and restart pcscd.",
            f"pcsc: として使うか、/etc/reader.conf.d から {port} を外して pcscd を再起動してください。",
        )
    if holder.name in ("agetty", "getty", "login"):
        unit = f"serial-getty@{port.rpartition('/')[2]}.service"
        return Words(
            f"Run: sudo systemctl disable --now {unit}",
            f"sudo systemctl disable --now {unit} を実行してください。",
        )
    return Words(f"Close {holder}.", f"{holder} を終了してください。")


def _locked(system: System, port: str) -> Iterator[Finding]:
    """Lock files of the file hierarchy standard (FHS 3.0 §5.9): LCK..NAME with the holder's number."""
    name = port.rpartition("/")[2]
    for folder in ("/run/lock", "/var/lock"):
        text = system.read(f"{folder}/LCK..{name}").strip()
        if not text:
            continue
        holder = text.split()[0]
        if holder.isdigit() and system.path(f"/proc/{holder}").exists():
            held = Words(
                f"Process {holder} has locked {port}.", f"プロセス {holder} が {port} をロックしています。"
            )
            step = Words(f"Close process {holder}.", f"プロセス {holder} を終了してください。")
            yield Finding("lock", port, Severity.PROBLEM, held, step)
        else:
            yield Finding(
                "lock",
                port,
                Severity.WARNING,
                Words(
                    f"A lock file of a program that has ended is left for {port}.",
                    f"終了したプログラムのロックファイルが {port} に残っています。",
                ),
                Words(
                    f"Run: sudo rm {folder}/LCK..{name}", f"sudo rm {folder}/LCK..{name} を実行してください。"
                ),
            )
        return


def _meddled(system: System, port: str) -> Iterator[Finding]:
    if not port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        return
    for name, unit in MEDDLERS.items():
        if system.named(name):
            yield Finding(
                "meddler",
                port,
                Severity.WARNING,
                Words(
                    f"{name} runs: it writes into new serial ports to see what they are.",
                    f"{name} が動いています。新しいシリアルポートに勝手に書き込みます。",
                ),
                Words(
                    f"Run: sudo systemctl disable --now {unit}, unless you need it.",
                    f"不要なら sudo systemctl disable --now {unit} を実行してください。",
                ),
            )


def check_wire(port: str, protocol: str = "") -> Finding:
    """Ask what lives on the line, timidly; ``protocol`` is the one that is expected there."""
    try:
        seen = probe_line(port, (protocol,) if protocol in PROTOCOLS else PROTOCOLS)
    except ReaderError as error:
        sentence = Words(error.sentence("en"), error.sentence("ja"))
        step = Words(error.next_step("en"), error.next_step("ja"))
        return Finding("wire", port, Severity.PROBLEM, sentence, step)
    return _judged(seen)


def _judged(result: ProbeResult) -> Finding:
    port, tried = result.line, ", ".join(result.asked)
    if result.seen is Seen.ANSWER:
        said = " ".join(filter(None, (result.model, result.version)))
        there = Words(f"On {port} answers {said}.", f"{port} で {said} が応答しました。")
        use = Words(f"Use it as {result.url}", f"{result.url} として使えます。")
        return Finding("wire", port, Severity.GOOD, there, use)
    what, step = _UNANSWERED[result.seen]
    return Finding(
        "wire",
        port,
        Severity.PROBLEM,
        Words(what.format(port=port, tried=tried), what.ja.format(port=port, tried=tried)),
        step,
    )


_UNANSWERED = {
    Seen.SILENCE: (
        Words(
            "Nothing answers on {port} (asked: {tried}).",
            "{port} では何も応答しません (試したもの: {tried})。",
        ),
        Words(
            "Check power and ground, cross RX and TX, and set the board's switches to HSU (UART).",
            "電源と GND、RX/TX の交差、基板のスイッチ (HSU/UART) を確かめてください。",
        ),
    ),
    Seen.TALK: (
        Words(
            "{port} talks by itself: this is no reader.",
            "{port} は自分から送信しています。リーダーではありません。",
        ),
        Words("Name the port of the reader.", "リーダーのポートを指定してください。"),
    ),
    Seen.ECHO: (
        Words("{port} sends back what it gets.", "{port} は送ったものをそのまま返します。"),
        Words(
            "Take RX and TX apart; if it is a console or a modem, name another port.",
            "RX と TX の短絡を確かめ、コンソールやモデムなら別のポートを指定してください。",
        ),
    ),
    Seen.NOISE: (
        Words("{port} answers what no reader of ours says.", "{port} は未知の応答を返します。"),
        Words(
            "Check the baud rate that the board is set to (115200), and its ground.",
            "基板のボーレート設定 (115200) と GND を確かめてください。",
        ),
    ),
}
