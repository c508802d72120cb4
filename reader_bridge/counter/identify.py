"""本人確認 by the card face: 照合番号 B, typed from the print, opens the face; the issuer's signatures are
checked; the number is never read, and cannot be: 照合番号 B does not open it.

Two applications are asked: the face (birth date, sex, pictures, expiry) and, where it opens too, the text
application (name and address as text). *Genuine* is said only when every signature leads to an anchor that
the person at the counter gave, the card proves that it holds its keys, and both records fit each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ...apdu.authenticity import NO_ANCHORS, Anchors, Check, Verdict
from ...apdu.card import Card
from ...apdu.errors import CardError, PinError, Words
from ...apdu.pin import holder_session
from ...apdu.secret import Secret
from ...applets.mynumber_text.host import TextApplication
from ...applets.mynumber_text.model import CHECK_NUMBER_B as TEXT_B
from ...applets.mynumber_text.model import Attributes
from ...applets.mynumber_visual.host import VisualApplication
from ...applets.mynumber_visual.model import CHECK_NUMBER_B as VISUAL_B
from ...applets.mynumber_visual.model import CardFace
from .holder import Ask, ask_for

__all__ = ["JST", "CHECKS", "Identification", "identify"]

JST = timezone(timedelta(hours=9), "JST")
EXPIRY_YEAR = slice(6, 10)
"""Where 照合番号 B has the year of expiry."""
CHECKS = {
    "face": Words("Signature of the card face", "券面の署名"),
    "key": Words("Key of the card", "カードの鍵"),
    "text key": Words("Key of the text application", "券面事項入力補助の鍵"),
    "attributes": Words("Signature of name and address", "基本 4 情報の署名"),
    "number": Words("Signature of the number", "個人番号の署名"),
    "common key": Words("Key of the common application", "共通アプリケーションの鍵"),
    "agreement": Words("Do the records fit each other", "記録同士の整合"),
}


@dataclass(frozen=True, slots=True, repr=False)
class Identification:
    """What the card says about its holder, and what stands behind it. ``attributes`` is None when the text
    application did not open; ``municipality`` is the code of the issuing municipality."""

    face: CardFace
    attributes: Attributes | None
    municipality: str | None
    checks: tuple[Check, ...]
    at: datetime

    @property
    def verdict(self) -> Verdict:
        """ANCHORED only when all that was read leads to an anchor and the card proved to hold a key of its
        own; UNKNOWN when the data are genuine and that proof is missing."""
        found = {check.what: check.verdict for check in self.checks}
        if Verdict.INVALID in found.values():
            return Verdict.INVALID
        data = {verdict for what, verdict in found.items() if what in ("face", "attributes")}
        if data != {Verdict.ANCHORED}:
            return Verdict.CONSISTENT
        proved = {what for what, verdict in found.items() if verdict is Verdict.ANCHORED}
        # The key of the text application stands for the card only when its text fits the face.
        return (
            Verdict.ANCHORED if "key" in proved or {"text key", "attributes"} <= proved else Verdict.UNKNOWN
        )

    @property
    def expired(self) -> bool:
        """Whether the card's last day, as counted in Japan, is over."""
        return self.at.astimezone(JST).date() > self.face.expiry

    def to_json(self) -> dict[str, Any]:
        """The record of an identity check: who, by what, issued where, valid until when. It has neither the
        number, nor a check number, nor a serial of the card, nor a picture."""
        text = self.attributes
        return {
            "job": "identify",
            "at": self.at.isoformat(timespec="seconds"),
            "document": "個人番号カード",
            "issuer": self.municipality,
            "valid_until": self.face.expiry.isoformat(),
            "expired": self.expired,
            "name": text.name if text else None,
            "address": text.address if text else None,
            "birth": self.face.birth,
            "sex": self.face.sex,
            "verdict": self.verdict.value,
            "checks": [check.to_json() for check in self.checks],
        }

    def judge(self) -> None:
        """Raises CardError ``identify.invalid``, ``identify.expired``, ``identify.not_anchored`` or
        ``identify.not_proven`` unless the card is genuine and valid."""
        bad = next((check for check in self.checks if check.verdict is Verdict.INVALID), None)
        if bad is not None:
            raise CardError("identify.invalid", what=bad.reason)
        if self.expired:
            raise CardError("identify.expired", end=self.face.expiry.isoformat())
        if self.verdict is Verdict.CONSISTENT:
            raise CardError("identify.not_anchored")
        if self.verdict is not Verdict.ANCHORED:
            raise CardError("identify.not_proven")


def identify(
    card: Card, ask: Ask, anchors: Anchors = NO_ANCHORS, *, at: datetime | None = None, last_try: bool = False
) -> Identification:
    """Open the card by 照合番号 B, read it and check it; the number is not read.

    Raises CardError ``mynumber.not_here``, PinError (``pin.last_try`` too), PinBlocked, InputError
    ``pin.format``, MalformedResponse. Whether the card is to be accepted is asked of the result.
    """
    visual = VisualApplication(card)
    visual.select()
    number = ask_for(visual, VISUAL_B, ask, last_try=last_try)
    try:
        with holder_session(card):
            return _read(card, number, anchors, at or datetime.now(JST), last_try=last_try)
    finally:
        number.wipe()


def _read(card: Card, number: Secret, anchors: Anchors, at: datetime, *, last_try: bool) -> Identification:
    visual = VisualApplication(card)
    visual.select()
    visual.pins.verify(VISUAL_B, number, allow_last_try=last_try)
    face = visual.card_face()
    municipality = _municipality(visual)
    checks = [visual.check_face(anchors), visual.check_key(anchors)]
    text = _text(card, number)
    if text is not None:
        checks += [text.check_attributes(anchors), replace(text.check_key(anchors), what="text key")]
    attributes = text.attributes() if text is not None else None
    year = number.reveal()[EXPIRY_YEAR].decode("ascii")
    disagreement = _disagreement(face, attributes, year)
    if disagreement is not None:
        checks.append(Check("agreement", Verdict.INVALID, reason=disagreement))
    return Identification(face, attributes, municipality, tuple(checks), at)


def _municipality(visual: VisualApplication) -> str | None:
    """The code of the issuing municipality; None on a card that leaves the file out."""
    try:
        return visual.basic_info().municipality
    except CardError as error:
        if error.code != "mynumber.file_absent":
            raise
        return None


def _text(card: Card, number: Secret) -> TextApplication | None:
    """The text application, opened by the check number that the face took; None where that cannot be."""
    text = TextApplication(card)
    try:
        text.select()
        text.pins.verify(TEXT_B, number)
    except PinError as error:
        if error.code == PinError.default_code:
            what = Words(
                "its two applications have different check numbers",
                "アプリケーション間で照合番号が異なります",
            )
            raise CardError("identify.invalid", what=what) from error
        # Blocked, or its last try: it is not spent, and a card without the text is still a card face.
        return None
    except CardError as error:
        if error.code != "mynumber.not_here":
            raise
        return None
    return text


def _disagreement(face: CardFace, text: Attributes | None, year: str) -> Words | None:
    """What does not fit: the expiry and the text stand outside the signature of the face."""
    if f"{face.expiry:%Y}" != year:
        return Words(
            "its expiry is not the one printed on it", "記録された有効期限が券面の記載と一致しません"
        )
    if text is not None and (f"{text.birth:%Y%m%d}" != face.birth or text.sex != face.sex):
        return Words("its text and its face are those of two people", "文字情報と券面の記録が別人のものです")
    return None
