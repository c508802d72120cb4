"""The blank company card as its maker delivers it."""

from tegata.apdu.atr import Atr
from tegata.applets.entry_badge import model as entry_badge
from tegata.applets.piv import model as piv
from tegata.applets.security_domain.model.cplc import Cplc
from tegata.simulators.card import Kind
from tegata.simulators.card.registry import entries
from tegata.simulators.presets import memory


def test_its_answers_to_reset_are_literal_and_well_formed() -> None:
    card = memory("company-card", 1)
    assert card["card/atr-contact"].hex().upper() == "3B95188131FE458073C821D34F"
    assert card["card/atr-contactless"].hex().upper() == "3B8580018073C821D3CD"
    for name in ("card/atr-contact", "card/atr-contactless"):
        assert Atr.parse(card[name]).historical.hex().upper() == "8073C821D3"


def test_no_two_cards_are_the_same_and_a_seed_repeats_one() -> None:
    numbers = {Cplc.parse(memory("company-card", seed)["card/cplc"]).identity for seed in range(20)}
    assert len(numbers) == 20
    assert memory("company-card", 3) == memory("company-card", 3)
    assert memory("company-card")["card/cplc"] != memory("company-card")["card/cplc"]


def test_the_packages_are_there_and_nothing_is_installed() -> None:
    found = entries(memory("company-card", 1))
    modules = {aid: model for entry in found for aid, model in entry.modules}
    assert modules[piv.MODULE_AID] == "piv"
    assert modules[entry_badge.MODULE_AID] == "entry-badge"
    assert [entry.kind for entry in found].count(Kind.APPLICATION) == 0
    assert found[0].kind is Kind.ISSUER_DOMAIN
