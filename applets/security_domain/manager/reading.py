"""What a card tells: about itself, its registry, its keys. Lines for people, plain values for programs."""

from __future__ import annotations

import datetime

from ....apdu.errors import Words
from ..discovery import read_information
from ..model import KeyType
from ..model.cplc import FABRICATORS, Cplc, read_date
from ..results import KeyInformation, Registered, RegisteredKind
from .content import hexa
from .session import Session, printable
from .steps import Report

__all__ = ["info", "list_keys", "list_registry"]

LOCKED = Words(" (the card is locked)", " (カードはロック中)")
SECRET_TYPES = (KeyType.DES, KeyType.AES)
KINDS = {
    RegisteredKind.ISSUER_DOMAIN: Words("issuer's domain", "発行者ドメイン"),
    RegisteredKind.DOMAIN: Words("domain", "ドメイン"),
    RegisteredKind.APPLICATION: Words("application", "アプリケーション"),
    RegisteredKind.PACKAGE: Words("package", "パッケージ"),
}
MODULE = Words("  applet in it", "  アプレット")


def list_registry(session: Session, report: Report) -> None:
    """The registry, domain by domain as the card gives it."""
    lines = list(session.registry().values())
    report.data["registry"] = [line.to_json() for line in lines]
    issuers = [line.aid for line in lines if line.kind is RegisteredKind.ISSUER_DOMAIN]
    usual = issuers[0] if issuers else session.domain.aid
    for line in lines:
        rest = f"{hexa(line.aid):<32} {line.state}"
        owner = line.domain if line.domain not in (b"", usual, line.aid) else b""
        _say(report, KINDS[line.kind], rest + _extra(line, owner))
        for module in line.modules:
            _say(report, MODULE, hexa(module))


def _say(report: Report, kind: Words, rest: str) -> None:
    report.say(f"{kind:<16}{rest}", f"{kind.ja:<16}{rest}")


def _extra(line: Registered, owner: bytes) -> str:
    """Behind the state: version, ``<`` the package it is made of, ``@`` the domain that it belongs to unless
    that is the issuer's, privileges."""
    parts = []
    if line.version:
        parts.append("v" + ".".join(str(byte) for byte in line.version))
    if line.package:
        parts.append(f"< {hexa(line.package)}")
    if owner:
        parts.append(f"@ {hexa(owner)}")
    names = [name for name in line.privilege_names if name != "security-domain"]
    parts += names
    return "  " + " ".join(parts) if parts else ""


def list_keys(session: Session, report: Report) -> None:
    """Numbers, versions, types and lengths of the domain's keys; no key is ever told."""
    report.data["keys"] = [key.to_json() for key in session.held_keys()]
    for key in session.held_keys():
        kind = _key_type(key)
        line = f"version {key.version:02X}  id {key.kid:02X}  {kind}"
        report.say(line, f"版 {key.version:02X}  番号 {key.kid:02X}  {kind}")


def _key_type(key: KeyInformation) -> str:
    return f"{key.type_name}-{key.length * 8}" if key.type in SECRET_TYPES else key.type_name


def info(session: Session, report: Report) -> None:
    """What the card tells anybody; nothing is authenticated."""
    today = datetime.datetime.now(datetime.UTC).date()
    found = read_information(session.domain, session.begin())
    report.data.update({"card": printable(session.identity), **found.to_json(today)})
    report.say(f"Card: {printable(session.identity)}", f"カード: {printable(session.identity)}")
    name = hexa(found.selection.aid)
    locked = LOCKED if found.selection.card_locked else Words("", "")
    report.say(f"Issuer's domain: {name}{locked}", f"発行者ドメイン: {name}{locked.ja}")
    if found.card_data is not None:
        report.say(f"GlobalPlatform: {found.card_data.version}", f"GlobalPlatform: {found.card_data.version}")
        for protocol in found.card_data.protocols:
            text = f"SCP{protocol.number:02X} i={protocol.i:02X} ({', '.join(protocol.options)})"
            report.say(f"Secure channel: {text}", f"セキュアチャネル: {text}")
    for label, value in (("IIN", found.iin), ("CIN", found.cin)):
        if value:
            report.say(f"{label}: {hexa(value)}", f"{label}: {hexa(value)}")
    _say_cplc(found.cplc, today, report)
    if found.resources is not None:
        free, ram = found.resources.non_volatile, found.resources.volatile
        report.say(f"Free memory: {free} bytes, RAM {ram}", f"空きメモリー: {free} バイト、RAM {ram}")
    for version in dict.fromkeys(key.version for key in found.keys):
        kinds = sorted({_key_type(key) for key in found.keys if key.version == version})
        report.say(f"Keys {version:02X}: {', '.join(kinds)}", f"鍵 {version:02X}: {', '.join(kinds)}")


def _say_cplc(cplc: Cplc | None, today: datetime.date, report: Report) -> None:
    if cplc is None:
        return
    number = int.from_bytes(cplc.ic_fabricator, "big")
    maker = FABRICATORS.get(number, hexa(cplc.ic_fabricator))
    made = read_date(cplc.ic_fabrication_date, today)
    day = f", {made:%Y-%m-%d}" if made else ""
    serial = hexa(cplc.ic_serial)
    report.say(f"Chip: {maker}, serial {serial}{day}", f"チップ: {maker}、番号 {serial}{day}")
