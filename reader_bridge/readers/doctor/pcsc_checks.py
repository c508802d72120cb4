"""Checks of PC/SC on Linux: the daemon and its socket, polkit, its drivers, serial and virtual readers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ....apdu.errors import Words, with_extra
from .finding import Finding, Severity
from .service import Service
from .system import System
from .usb_checks import GRABBING, ccid_readers

__all__ = ["check_pcsc", "check_reader", "check_vpcd"]

SOCKET = "/run/pcscd/pcscd.comm"
BUNDLES = ("/usr/lib/pcsc/drivers", "/usr/local/lib/pcsc/drivers", "/usr/lib64/pcsc/drivers")
VPCD_PORT, VPCD_SLOTS = 35963, 2
PCSCD = "PC/SC"


def check_pcsc(system: System, service: Service) -> list[Finding]:
    """All checks of the service, from the ground up."""
    if service.driver:
        return [_no_driver(service)]
    return [
        _service(system, service),
        *_several(system),
        *_drivers(system, service),
        *_serial_readers(system),
        *check_vpcd(system),
    ]


def _no_driver(service: Service) -> Finding:
    missing = Words(
        f"pyscard is not installed ({service.driver}).", f"pyscard がありません ({service.driver})。"
    )
    return Finding("driver", PCSCD, Severity.PROBLEM, missing, with_extra("pcsc"))


def _service(system: System, service: Service) -> Finding:
    if service.answers:
        count, version = len(service.readers), service.version or "?"
        fine = Words(
            f"The service answers (pcscd {version}), readers: {count}.",
            f"サービスが応答します (pcscd {version}、リーダー {count} 台)。",
        )
        return Finding("service", PCSCD, Severity.GOOD, fine)
    if service.refused:
        return _refused(system)
    if service.socket:
        return _elsewhere(service)
    if not system.neighbours("pcscd") and (system.sees_all or not system.path(SOCKET).exists()):
        return _not_running(system, service)
    if not os.access(system.path(SOCKET), os.W_OK) and system.path(SOCKET).exists():
        shut = Words(f"You may not use pcscd's socket {SOCKET}.", f"{SOCKET} を使う権限がありません。")
        step = Words(
            "Restart pcscd: it makes the socket for everybody, and polkit decides.",
            "pcscd を再起動してください (ソケットは全員に開かれ、可否は polkit が判断します)。",
        )
        return Finding("service", PCSCD, Severity.PROBLEM, shut, step)
    dead = Words(
        f"The service does not answer ({service.error}).", f"サービスが応答しません ({service.error})。"
    )
    return Finding("service", PCSCD, Severity.PROBLEM, dead, _restart(system))


def _elsewhere(service: Service) -> Finding:
    said = Words(
        f"PCSCLITE_CSOCK_NAME leads programs to {service.socket}, where no service answers.",
        f"PCSCLITE_CSOCK_NAME の指す {service.socket} で応答するサービスがありません。",
    )
    step = Words("Run: unset PCSCLITE_CSOCK_NAME", "unset PCSCLITE_CSOCK_NAME を実行してください。")
    return Finding("service", PCSCD, Severity.PROBLEM, said, step)


def _restart(system: System) -> Words:
    if system.has_systemd:
        command = "sudo systemctl restart pcscd"
        return Words(f"Run: {command}", f"{command} を実行してください。")
    return Words("End pcscd and start it again, as root.", "root で pcscd を終了し、起動し直してください。")


def _refused(system: System) -> Finding:
    said = Words(
        "pcscd does not let you in: polkit refuses org.debian.pcsc-lite.access_pcsc.",
        "pcscd に接続を拒否されました (polkit の org.debian.pcsc-lite.access_pcsc)。",
    )
    if system.in_container:
        step = Words(
            "Start the container's own pcscd with --disable-polkit, or share the host's socket and add a "
            "polkit rule on the host.",
            "コンテナー内の pcscd を --disable-polkit で起動するか、ホスト側に polkit ルールを"
            "追加してください。",
        )
    else:
        step = Words(
            "Work at the machine itself (not over ssh), or add a polkit rule that gives your user "
            "org.debian.pcsc-lite.access_pcsc and access_card.",
            "機械の前で直接ログインするか、あなたに access_pcsc と access_card を許す polkit ルールを"
            "追加してください。",
        )
    return Finding("polkit", PCSCD, Severity.PROBLEM, said, step)


def _not_running(system: System, service: Service) -> Finding:
    installed = bool(service.version) or system.path("/usr/sbin/pcscd").exists()
    if not installed:
        said = Words("pcscd is not installed.", "pcscd がありません。")
        step = Words(
            "Install pcscd and libccid (Debian: sudo apt install pcscd libccid).",
            "pcscd と libccid を入れてください (Debian: sudo apt install pcscd libccid)。",
        )
        return Finding("service", PCSCD, Severity.PROBLEM, said, step)
    said = Words("pcscd does not run.", "pcscd が動いていません。")
    if system.has_systemd:
        command = "sudo systemctl enable --now pcscd.socket"
        step = Words(f"Run: {command}", f"{command} を実行してください。")
    elif system.in_container:
        step = Words(
            "Start pcscd in the container, as root: pcscd --disable-polkit",
            "コンテナー内で root として pcscd --disable-polkit を起動してください。",
        )
    else:
        step = Words("Start pcscd, as root.", "root で pcscd を起動してください。")
    return Finding("service", PCSCD, Severity.PROBLEM, said, step)


def _several(system: System) -> Iterator[Finding]:
    running = system.neighbours("pcscd")
    if len(running) > 1:
        who = ", ".join(str(item.pid) for item in running)
        yield Finding(
            "several",
            PCSCD,
            Severity.WARNING,
            Words(
                f"Several pcscd run ({who}): each keeps the readers that it found from the others.",
                f"pcscd が複数動いています ({who})。リーダーを互いに取り合います。",
            ),
            Words("End all but one.", "一つだけ残して終了してください。"),
        )


def _drivers(system: System, service: Service) -> Iterator[Finding]:
    readers = [item for item in ccid_readers(system) if item.driver not in GRABBING]
    if not readers or not service.answers or service.readers:
        return
    names = ", ".join(item.name or item.usb_id for item in readers)
    if any("ifd-ccid.bundle" in system.names(folder) for folder in BUNDLES):
        step = _restart(system)
    else:
        step = Words(
            "Install libccid (Debian: sudo apt install libccid) and restart pcscd.",
            "libccid を入れて (Debian: sudo apt install libccid) pcscd を再起動してください。",
        )
    unseen = Words(f"USB has {names}, PC/SC does not.", f"USB にある {names} を PC/SC が認識していません。")
    yield Finding("driver", PCSCD, Severity.PROBLEM, unseen, step)


def _serial_readers(system: System) -> Iterator[Finding]:
    """reader.conf(5): pcscd opens a serial reader when it starts, and never again."""
    for conf in system.reader_confs:
        device = conf.device.partition(":")[0]
        if "vpcd" in conf.library or not device.startswith("/dev/") or device == "/dev/null":
            continue
        if not system.path(system.resolve(device)).exists():
            yield Finding(
                "serial-reader",
                device,
                Severity.PROBLEM,
                Words(
                    f"{conf.file} tells pcscd of a reader at {device}, which does not exist.",
                    f"{conf.file} にあるリーダー {device} が存在しません。",
                ),
                Words(
                    "Plug it in and restart pcscd: it looks for serial readers only when it starts.",
                    "接続して pcscd を再起動してください (シリアルリーダーは起動時にだけ探します)。",
                ),
            )


def check_vpcd(system: System) -> Iterator[Finding]:
    """vpcd listens on every address and asks nobody who he is: whoever reaches it puts a card in."""
    starts = {VPCD_PORT}
    for conf in system.reader_confs:
        found = re.fullmatch(r"/dev/null:(0[xX][0-9a-fA-F]+|[0-9]+)", conf.device)
        if found and "vpcd" in conf.library:
            starts.add(int(found[1], 0))
    ports = {start + slot for start in starts for slot in range(VPCD_SLOTS)}
    is_open = sorted(item.port for item in system.listeners if item.everywhere and item.port in ports)
    if is_open:
        shown = ", ".join(map(str, dict.fromkeys(is_open)))
        yield Finding(
            "vpcd",
            "vpcd",
            Severity.WARNING,
            Words(
                f"vpcd listens on every network address (TCP {shown}): anybody who reaches it puts cards "
                "into your reader.",
                f"vpcd が全ネットワークに開いています (TCP {shown})。誰でもカードを差せます。",
            ),
            Words(
                f"Block TCP {shown} in the firewall, or take vpcd out of /etc/reader.conf.d.",
                f"ファイアウォールで TCP {shown} を塞ぐか、/etc/reader.conf.d から vpcd を外してください。",
            ),
        )


def check_reader(service: Service, name: str) -> Finding:
    """One reader by (a part of) its name."""
    found = [item for item in service.readers if name in item.reader]
    if not service.answers:
        unknown = Words("The service does not answer.", "サービスが応答しません。")
        return Finding("reader", f"pcsc:{name}", Severity.UNKNOWN, unknown)
    if not found:
        known = ", ".join(item.reader for item in service.readers) or "-"
        none = Words(
            f"PC/SC has no reader called {name} (known: {known}).",
            f"PC/SC に {name} というリーダーはありません (あるもの: {known})。",
        )
        step = Words(
            "Plug the reader in, or give the name that tegata readers shows.",
            "リーダーを接続するか、tegata readers に出る名前を指定してください。",
        )
        return Finding("reader", f"pcsc:{name}", Severity.PROBLEM, none, step)
    item = found[0]
    card = Words("with a card", "カードあり") if item.present else Words("no card", "カードなし")
    there = Words(f"{item.reader} is there, {card}.", f"{item.reader} があります ({card.ja})。")
    return Finding("reader", f"pcsc:{item.reader}", Severity.GOOD, there)
