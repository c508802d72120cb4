"""What a card tells: about itself, its registry, its keys. Lines for people, plain values for programs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from ....apdu.errors import Words
from ..model import KeyType, Privilege
from ..model.cplc import Cplc, read_date
from ..results import KeyInformation, Registered, RegisteredKind
from .content import hexa
from .session import Session, printable
from .steps import Report

__all__ = ["info", "list_keys", "list_registry", "state_name"]

CARD_STATES = {
    0x01: "OP_READY",
    0x07: "INITIALIZED",
    0x0F: "SECURED",
    0x7F: "CARD_LOCKED",
    0xFF: "TERMINATED",
}
DOMAIN_STATES = {0x03: "INSTALLED", 0x07: "SELECTABLE", 0x0F: "PERSONALIZED"}
APPLICATION_STATES = {0x03: "INSTALLED", 0x07: "SELECTABLE"}
KINDS = {
    RegisteredKind.ISSUER_DOMAIN: Words("issuer's domain", "発行者ドメイン"),
    RegisteredKind.DOMAIN: Words("domain", "ドメイン"),
    RegisteredKind.APPLICATION: Words("application", "アプリケーション"),
    RegisteredKind.PACKAGE: Words("package", "パッケージ"),
}
KEY_TYPES = {
    KeyType.DES: "3DES",
    KeyType.AES: "AES",
    KeyType.RSA_EXPONENT: "RSA public",
    KeyType.RSA_MODULUS: "RSA public",
    KeyType.EC_PUBLIC: "EC public",
    KeyType.EC_PRIVATE: "EC private",
}
SECRET_TYPES = (KeyType.DES, KeyType.AES)
LOCKED = 0x80


def state_name(line: Registered) -> str:
    """The life cycle by its name in GPC 2.3.1 §5, an application's own state in hex."""
    state = line.life_cycle
    if line.kind is RegisteredKind.PACKAGE:
        return "LOADED"
    if line.kind is RegisteredKind.ISSUER_DOMAIN:
        return CARD_STATES.get(state, f"{state:02X}")
    names = DOMAIN_STATES if line.kind is RegisteredKind.DOMAIN else APPLICATION_STATES
    if state & LOCKED:
        return "LOCKED"
    return names.get(state, f"{state:02X}")


def list_registry(session: Session, report: Report) -> None:
    """The registry, domain by domain as the card gives it."""
    lines = list(session.registry().values())
    report.data["registry"] = [_line_json(line) for line in lines]
    for line in lines:
        kind = KINDS[line.kind]
        rest = f"{hexa(line.aid):<32} {state_name(line)}"
        extra = _extra(line)
        report.say(f"{kind:<16}{rest}{extra}", f"{kind.ja:<16}{rest}{extra}")


def _extra(line: Registered) -> str:
    parts = []
    if line.version:
        parts.append("v" + ".".join(str(byte) for byte in line.version))
    if line.package:
        parts.append(f"< {hexa(line.package)}")
    names = [name for name in privilege_names(line.privileges) if name != "security-domain"]
    parts += names
    return "  " + " ".join(parts) if parts else ""


def _line_json(line: Registered) -> dict[str, Any]:
    return {
        "aid": hexa(line.aid),
        "kind": str(line.kind),
        "state": state_name(line),
        "life_cycle": f"{line.life_cycle:02X}",
        "privileges": privilege_names(line.privileges),
        "domain": hexa(line.domain),
        "package": hexa(line.package),
        "version": ".".join(str(byte) for byte in line.version),
        "modules": [hexa(module) for module in line.modules],
    }


def privilege_names(privileges: Privilege) -> list[str]:
    """Names as ``--privileges`` takes them; the bits that several privileges share are named once."""
    left, names = int(privileges), []
    for privilege in sorted(Privilege, key=lambda one: -int(one).bit_count()):
        bits = int(privilege)
        if bits and int(privileges) & bits == bits and left & bits:
            names.append((privilege.name or "").lower().replace("_", "-"))
            left &= ~bits
    return names


def list_keys(session: Session, report: Report) -> None:
    """Numbers, versions, types and lengths of the domain's keys; no key is ever told."""
    report.data["keys"] = [_key_json(key) for key in session.held_keys()]
    for key in session.held_keys():
        kind = _key_type(key)
        line = f"version {key.version:02X}  id {key.kid:02X}  {kind}"
        report.say(line, f"版 {key.version:02X}  番号 {key.kid:02X}  {kind}")


def _key_type(key: KeyInformation) -> str:
    name = KEY_TYPES.get(KeyType(key.type)) if key.type in set(KeyType) else None
    return f"{name}-{key.length * 8}" if key.type in SECRET_TYPES else name or f"type {key.type:02X}"


def _key_json(key: KeyInformation) -> dict[str, Any]:
    return {
        "version": key.version,
        "id": key.kid,
        "type": f"{key.type:02X}",
        "name": _key_type(key),
        "length": key.length,
    }


def info(session: Session, report: Report) -> None:
    """What the card tells anybody; nothing is authenticated."""
    selection, domain = session.begin(), session.domain
    cplc, iin, cin, recognition = domain.cplc(), domain.iin(), domain.cin(), domain.card_data()
    protocols = () if recognition is None else recognition.protocols
    report.data.update(
        {
            "card": printable(session.identity),
            "domain": hexa(selection.aid),
            "locked": selection.card_locked,
            "max_data": selection.max_data,
            "cplc": None if cplc is None else _cplc_json(cplc),
            "iin": None if iin is None else hexa(iin),
            "cin": None if cin is None else hexa(cin),
            "globalplatform": "" if recognition is None else recognition.version,
            "protocols": [{"scp": scp, "i": f"{i:02X}"} for scp, i in protocols],
            "keys": [_key_json(key) for key in session.held_keys()],
        }
    )
    report.say(f"Card: {printable(session.identity)}", f"カード: {printable(session.identity)}")
    locked = Words(" (the card is locked)", " (カードはロック中)") if selection.card_locked else Words("", "")
    name = hexa(selection.aid)
    report.say(f"Issuer's domain: {name}{locked}", f"発行者ドメイン: {name}{locked.ja}")
    if recognition is not None:
        report.say(f"GlobalPlatform: {recognition.version}", f"GlobalPlatform: {recognition.version}")
    for scp, i in protocols:
        report.say(f"Secure channel: SCP{scp:02X} i={i:02X}", f"セキュアチャネル: SCP{scp:02X} i={i:02X}")
    for label, japanese, value in (("IIN", "IIN", iin), ("CIN", "CIN", cin)):
        if value:
            report.say(f"{label}: {hexa(value)}", f"{japanese}: {hexa(value)}")
    if cplc is not None:
        _say_cplc(cplc, report)
    for version in session.key_versions():
        kinds = sorted({_key_type(key) for key in session.held_keys() if key.version == version})
        report.say(f"Keys {version:02X}: {', '.join(kinds)}", f"鍵 {version:02X}: {', '.join(kinds)}")


def _cplc_json(cplc: Cplc) -> Mapping[str, str]:
    return {name: getattr(cplc, name).hex().upper() for name in cplc.__slots__}


def _say_cplc(cplc: Cplc, report: Report) -> None:
    maker, serial = hexa(cplc.ic_fabricator), hexa(cplc.ic_serial)
    made = read_date(cplc.ic_fabrication_date, datetime.datetime.now(datetime.UTC).date())
    day = f", {made:%Y-%m-%d}" if made else ""
    report.say(f"Chip: maker {maker}, serial {serial}{day}", f"チップ: 製造者 {maker}、番号 {serial}{day}")
