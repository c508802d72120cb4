"""What a My Number Card tells anybody: no PIN, no try spent, nothing of its holder but the card's own dates.

A phone's token has the JPKI application only; an older card may leave files out. What is missing is left out
here, and what makes no sense is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ...apdu.authenticity import NO_ANCHORS, Anchors, Check
from ...apdu.card import Card
from ...apdu.errors import CardError, MalformedResponse, StatusError
from ...apdu.pin import UNLIMITED, PinStatus, holder_session, pin_status
from ...applets.jpki import model as jpki_model
from ...applets.jpki.certificate import JpkiCertificate, parse_certificate
from ...applets.jpki.host import Jpki
from ...applets.jpki.model import JpkiKey, TokenInfo
from ...applets.juki import model as juki_model
from ...applets.mynumber_common.host import CommonApplication
from ...applets.mynumber_common.model import CardSerial
from ...applets.mynumber_text import model as text_model
from ...applets.mynumber_text.host import TextApplication
from ...applets.mynumber_visual import model as visual_model
from ...applets.mynumber_visual.host import VisualApplication

__all__ = ["ALL_PINS", "Survey", "pins_of", "status_json", "survey"]

ALL_PINS = (*jpki_model.PINS, *text_model.PINS, *visual_model.PINS, *juki_model.PINS)
"""Every PIN that a holder or the face of the card knows."""
ABSENT = ("mynumber.not_here", "mynumber.file_absent", "jpki.no_certificate", "mynumber.locked_file")
SECURITY_STATUS = 0x6982
PRESENT = 0x8F


@dataclass(frozen=True, slots=True, repr=False)
class Survey:
    """``token`` tells card from phone; ``serial`` is the card's own number (製造番号) with expiry and
    municipality; ``certificates`` are the two bytes of EF 0008 that say which are there, as far as known."""

    token: TokenInfo
    serial: CardSerial | None
    municipality: str | None
    authentication: JpkiCertificate | None
    signature_present: bool | None
    pins: tuple[PinStatus, ...]
    checks: tuple[Check, ...]

    @property
    def expiry(self) -> date | None:
        """The card's last day; None when it does not say."""
        if self.serial is None:
            return None
        try:
            return datetime.strptime(self.serial.expiry, "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
        except ValueError as error:
            raise MalformedResponse("a day that is none", "record 1") from error

    def to_json(self, *, serial: bool = False) -> dict[str, Any]:
        """For a script. The card's own number only when it is asked for."""
        found: dict[str, Any] = {
            "token": self.token.label,
            "model": self.token.model,
            "municipality": self.municipality,
            "valid_until": self.expiry.isoformat() if self.expiry else None,
            "authentication_certificate": self.authentication.to_json() if self.authentication else None,
            "signature_certificate_present": self.signature_present,
            "pins": [status_json(status) for status in self.pins],
            "checks": [check.to_json() for check in self.checks],
        }
        if serial and self.serial:
            found["manufacturer_number"] = self.serial.manufacturer_number
        return found


def status_json(status: PinStatus) -> dict[str, Any]:
    """One PIN: ``tries`` None when the card has none of this name or it never blocks."""
    return {
        "pin": status.reference.key,
        "name": status.reference.rule.name,
        "present": status.tries is not None,
        "tries": None if status.tries == UNLIMITED else status.tries,
        "of": status.reference.rule.tries,
        "blocked": status.blocked,
    }


def pins_of(card: Card) -> tuple[PinStatus, ...]:
    """The state of every PIN, none of them tried."""
    with holder_session(card):
        return pin_status(card, ALL_PINS)


def survey(card: Card, anchors: Anchors = NO_ANCHORS) -> Survey:
    """Ask everything that needs no PIN.

    Raises CardError ``jpki.not_here`` for a card that is none of this family, MalformedResponse.
    """
    with holder_session(card):
        jpki = Jpki(card)
        jpki.select()
        token, signature = jpki.token_info(), _signature_present(jpki)
        authentication = _authentication(jpki)
        serial, common = _common(card)
        municipality = serial.municipality if serial else _municipality(card)
        text = _text_key(card, anchors)
        pins = pin_status(card, ALL_PINS)
    checks = tuple(check for check in (text, common) if check is not None)
    return Survey(token, serial, municipality, authentication, signature, pins, checks)


def _authentication(jpki: Jpki) -> JpkiCertificate | None:
    """The authentication certificate; a phone gives it only with its PIN."""
    try:
        return parse_certificate(jpki.certificate(JpkiKey.AUTHENTICATION))
    except StatusError as error:
        if error.sw != SECURITY_STATUS:
            raise
    except CardError as error:
        if error.code not in ABSENT:
            raise
    return None


def _signature_present(jpki: Jpki) -> bool | None:
    try:
        return jpki.availability()[0] == PRESENT
    except StatusError:
        return None


def _common(card: Card) -> tuple[CardSerial | None, Check | None]:
    common = CommonApplication(card)
    try:
        common.select()
        return common.serial(), common.check_key()
    except CardError as error:
        if isinstance(error, MalformedResponse) or error.code not in (*ABSENT, "card.status"):
            raise
        return None, None


def _municipality(card: Card) -> str | None:
    visual = VisualApplication(card)
    try:
        visual.select()
        return visual.basic_info().municipality
    except CardError as error:
        if error.code not in ABSENT:
            raise
        return None


def _text_key(card: Card, anchors: Anchors) -> Check | None:
    text = TextApplication(card)
    try:
        text.select()
        return text.check_key(anchors)
    except CardError as error:
        if error.code not in ABSENT:
            raise
        return None
