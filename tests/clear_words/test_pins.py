"""Wrong PIN, last try, blocked PIN: one sentence each, and no try spent that nobody meant to spend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.errors import TegataError, Words, catalogue
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.applets.piv.host import Piv
from tegata.applets.piv.model import DEFAULT_PIN_TRIES
from tegata.provisioning.issuance.letter import pin_letter
from tegata.provisioning.workplace import open_ledger, open_ring
from tegata.simulators.link import SimulatedReader

from .conftest import FIRST, Place, card_memory


@dataclass
class Holder:
    """One PIN of a card in its reader, as a program asks for it."""

    card: Path
    verify: Callable[..., None]
    tries: Callable[[], int | None]
    wrong: Secret
    malformed: Secret
    name: str
    rule: Words
    count: int


@pytest.fixture(params=["authentication PIN", "signature password", "PIN of the employee ID"])
def holder(request: pytest.FixtureRequest, place: Place) -> Iterator[Holder]:
    piv = request.param.endswith("ID")
    path = place.folder / ("issued.sim" if piv else "holder.sim")
    reader = SimulatedReader(path)
    card = Card(reader.wait_for_card())
    if piv:
        application = Piv(card)
        application.select()
        verify, tries = application.verify, application.tries
        name, rule, count = "PIN", Words("6 to 8 digits", "数字 6〜8 桁"), DEFAULT_PIN_TRIES
        ledger, ring = (
            open_ledger(str(place.folder / "ledger.db")),
            open_ring(f"file:{place.folder}/keys.json"),
        )
        right = pin_letter(ledger, ring, FIRST).digits["piv-pin"].reveal()
        ledger.close()
        wrong = b"000000" if right != b"000000" else b"111111"
    else:
        jpki = Jpki(card)
        jpki.select()
        key = JpkiKey.AUTHENTICATION if request.param.startswith("auth") else JpkiKey.SIGNATURE

        def verify(pin: Secret, **options: bool) -> None:
            jpki.verify(key, pin, **options)

        def tries() -> int | None:
            return jpki.tries(key)

        name, rule, count = key.pin_rule.name, key.pin_rule.rule, key.pin_rule.tries
        wrong = b"9999" if key is JpkiKey.AUTHENTICATION else b"WRONG1"
    yield Holder(path, verify, tries, Secret(wrong), Secret(b"12"), name, rule, count)
    reader.close()


def refused(holder: Holder, pin: Secret, code: str, exit_code: int, **details: object) -> None:
    """Present a PIN; the words and the exit code are the catalogue's, in both languages."""
    allow = bool(details.pop("allow_last_try", False))
    with pytest.raises(TegataError) as caught:
        holder.verify(pin, allow_last_try=allow)
    expected = TegataError(code, pin=holder.name, **details)
    assert catalogue()[code].exit == exit_code
    for lang in ("en", "ja"):
        assert caught.value.sentence(lang) == expected.sentence(lang)
        assert caught.value.next_step(lang) == expected.next_step(lang)
    assert (caught.value.code, caught.value.exit_code) == (code, exit_code)


def test_pins_that_cannot_be_right_spend_nothing(holder: Holder) -> None:
    before = card_memory(holder.card)
    refused(holder, holder.malformed, "pin.format", 18, rule=holder.rule)
    assert card_memory(holder.card) == before
    assert holder.tries() == holder.count


def test_from_the_first_wrong_pin_to_the_block(holder: Holder) -> None:
    for left in range(holder.count - 1, 0, -1):
        refused(holder, holder.wrong, "pin.wrong", 15, retries_left=left)
        assert holder.tries() == left
    before = card_memory(holder.card)
    refused(holder, holder.wrong, "pin.last_try", 17)
    assert (holder.tries(), card_memory(holder.card)) == (1, before)
    refused(holder, holder.wrong, "pin.blocked", 16, allow_last_try=True)
    blocked = card_memory(holder.card)
    refused(holder, holder.wrong, "pin.blocked", 16)
    refused(holder, holder.wrong, "pin.blocked", 16, allow_last_try=True)
    assert (holder.tries(), card_memory(holder.card)) == (0, blocked)
