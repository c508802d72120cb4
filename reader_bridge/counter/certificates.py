"""Certificates of a card in words: whose, how long, by which authority, believed or not. Never a serial."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...apdu.errors import Words
from ...applets.jpki.certificate import (
    JST,
    Authority,
    HolderAttributes,
    JpkiCertificate,
    MarkedText,
    parse_authority,
    parse_certificate,
)
from ...applets.jpki.model import JpkiKey
from ..signing import NOT_CHECKED, Anchors, Purpose, Refused, Trust

__all__ = ["JST", "NOT_CHECKED", "Entry", "Found", "attribute_lines", "examine"]

Found = tuple[JpkiKey, bytes, bytes]
"""A key, its certificate and the one of its authority as the card gives it, DER."""
MASKED = "********"
PURPOSES = {JpkiKey.AUTHENTICATION: Purpose.AUTHENTICATION, JpkiKey.SIGNATURE: Purpose.SIGNATURE}


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """One certificate. ``anchor`` names the anchor of its path, ``fault`` says why there is none."""

    own: JpkiCertificate
    authority: Authority
    anchor: str | None
    fault: Refused | None

    def to_json(self) -> dict[str, Any]:
        """For a script; the attributes of a signature certificate are in it, since they were asked for."""
        return self.own.to_json(personal=True) | {
            "authority": self.authority.label,
            "anchor": self.anchor,
            "fault": self.fault.sentence("en") if self.fault else None,
            "revocation": "not checked",
        }

    def lines(self) -> list[tuple[Words, object]]:
        """For a person."""
        own = self.own
        valid = Words("valid", "有効期間内") if own.valid(datetime.now(UTC)) else Words("ENDED", "有効期間外")
        days = [f"{day.astimezone(JST):%Y-%m-%d}" for day in (own.not_before, own.not_after)]
        return [
            (Words("Certificate", "証明書"), Words(own.kind.label, own.kind.japanese)),
            (Words("Serial number", "発行の番号"), MASKED),
            (
                Words("Validity", "有効期間"),
                Words(f"{days[0]} to {days[1]} ({valid})", f"{days[0]} ~ {days[1]} ({valid.ja})"),
            ),
            (Words("Key", "鍵"), own.key),
            (Words("Authority", "認証局"), self.authority.label),
            (Words("Trust", "信頼"), self._trust()),
            (Words("Municipality", "市区町村コード"), own.municipality),
            *(attribute_lines(own.attributes) if own.attributes else []),
        ]

    def _trust(self) -> Words:
        if self.fault is not None:
            return Words(self.fault.sentence("en"), self.fault.sentence("ja"))
        return Words(f"valid to anchor {self.anchor}", f"信頼点「{self.anchor}」まで検証できました")


def attribute_lines(person: HolderAttributes) -> list[tuple[Words, object]]:
    """The four attributes of a signature certificate, with era and substitute characters."""
    birth = Words(person.birth.day.isoformat(), f"{person.birth.japanese} ({person.birth.day})")
    sex = person.sex.name.lower().replace("_", " ")
    return [
        (Words("Name", "氏名"), _marked(person.name)),
        (Words("Address", "住所"), _marked(person.address)),
        (Words("Birth date", "生年月日"), birth),
        (Words("Sex", "性別"), Words(sex, person.sex.japanese)),
    ]


def examine(key: JpkiKey, own: bytes, authority: bytes, anchors: Anchors) -> Entry:
    """Parse a certificate and look for its path. Raises InputError ``verify.certificate``."""
    parsed = parse_certificate(own)
    try:
        path = Trust(anchors).path(own, PURPOSES[key], datetime.now(UTC))
    except Refused as fault:
        return Entry(parsed, parse_authority(authority), None, fault)
    return Entry(parsed, parse_authority(authority), path.anchor_name, None)


def _marked(text: MarkedText) -> Words | str:
    """The text, and which of its characters stand in for others, counted from 1."""
    places = ", ".join(str(place + 1) for place in text.substituted)
    if not places:
        return text.text
    return Words(f"{text.text} (substitute characters: {places})", f"{text.text} (代替文字: {places} 文字目)")
