"""What jobs at a My Number Card cost, counted by the card: tegata and OpenSC side by side in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tegata.applets.jpki.host import JpkiKey
from tegata.applets.mynumber_visual import model as visual
from tegata.simulators import presets

from .holders import Holder, check, opensc, opensc_result
from .measure import Cost, Meter, Row, table

MODEL = "contactless-424"
TEGATA, LONG_WAY = "tegata", "tegata, no short ids, no extended length"
OPENSC, OPENSC_TOLD = "OpenSC", "OpenSC, told the driver"
RAW, AGAIN, LOGIN, SIGN = (
    "raw authentication signature",
    "two raw authentication signatures",
    "verified login token",
    "signature with certificate",
)
ATTRIBUTES, PHOTO, IDENTIFY = "four attributes", "photo", "identification"
Table = dict[tuple[str, str], Cost]

foreign = pytest.mark.foreign


@pytest.fixture(scope="module")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meter]:
    path = tmp_path_factory.mktemp("card") / "card.sim"
    presets.create("my-number-card", path, seed=1)
    meter = Meter(path, MODEL)
    yield meter
    meter.close()


@pytest.fixture(scope="module")
def own(meter: Meter) -> Table:
    """tegata's costs."""
    check_number = meter.stored(visual.AID, f"pin/{visual.Ef.CHECK_NUMBER_B:04x}")
    certificate = meter.stored(bytes.fromhex("D392F000260100000001"), "ef/000a")
    measured = {}
    for who, holder in ((TEGATA, Holder()), (LONG_WAY, Holder(short_way=False))):
        jobs = {
            RAW: holder.raw(JpkiKey.AUTHENTICATION, certificate),
            AGAIN: holder.raw(JpkiKey.AUTHENTICATION, certificate, 2),
            LOGIN: holder.with_certificate(JpkiKey.AUTHENTICATION),
            SIGN: holder.with_certificate(JpkiKey.SIGNATURE),
            ATTRIBUTES: holder.attributes(),
            PHOTO: holder.photo(check_number),
            IDENTIFY: holder.identify(check_number),
        }
        measured.update({(job, who): meter.job(work) for job, work in jobs.items()})
    return measured


@pytest.fixture(scope="module")
def both(meter: Meter, own: Table) -> Table:
    """tegata's costs and OpenSC's, the latter in its best case too: told which driver to use, it does not
    try the drivers of other cards."""
    measured = dict(own)
    for who, variables in ((OPENSC, {}), (OPENSC_TOLD, {"OPENSC_DRIVER": "jpki"})):
        for job, key, certificate, signatures in (
            (RAW, JpkiKey.AUTHENTICATION, False, 1),
            (AGAIN, JpkiKey.AUTHENTICATION, False, 2),
            (LOGIN, JpkiKey.AUTHENTICATION, True, 1),
            (SIGN, JpkiKey.SIGNATURE, True, 1),
        ):
            command = opensc(key, certificate=certificate, signatures=signatures)
            measured[job, who], done = meter.program(command, variables)
            result = opensc_result(done.stdout)
            if certificate:
                check(result["signature"], result["certificate"])
    return measured


def test_short_ids_and_extended_length(own: Table) -> None:
    """The query of the tries left is among them."""
    assert own[RAW, TEGATA].apdus == 4
    assert own[AGAIN, TEGATA].apdus == 5
    assert own[LOGIN, TEGATA].apdus == 5
    assert own[SIGN, TEGATA].apdus == 5
    assert own[ATTRIBUTES, TEGATA].apdus == 4
    assert own[PHOTO, TEGATA].apdus == 4
    assert own[IDENTIFY, TEGATA].apdus <= 18


def test_without_them(own: Table) -> None:
    assert own[RAW, LONG_WAY].apdus == 6
    assert own[LOGIN, LONG_WAY].apdus == 14
    assert own[SIGN, LONG_WAY].apdus == 15
    assert own[ATTRIBUTES, LONG_WAY].apdus == 6


def test_the_card_works_as_often_either_way(own: Table) -> None:
    """One RSA operation a signature, two when both applications prove their keys; the try counter is written
    down and up: no saving is made there."""
    for job in (RAW, LOGIN, SIGN):
        for who in (TEGATA, LONG_WAY):
            assert own[job, who].crypto == pytest.approx(own[RAW, TEGATA].crypto)
            assert own[job, who].write == pytest.approx(own[RAW, TEGATA].write)
    for job in (ATTRIBUTES, PHOTO):
        assert own[job, TEGATA].crypto == 0
    assert own[IDENTIFY, TEGATA].crypto == pytest.approx(2 * own[RAW, TEGATA].crypto)


@foreign
@pytest.mark.parametrize("who", [OPENSC, OPENSC_TOLD])
@pytest.mark.parametrize("job", [RAW, LOGIN, SIGN])
def test_at_most_a_quarter_of_opensc(both: Table, job: str, who: str) -> None:
    """By APDUs; and less of everything else that a card holder waits for."""
    ours, theirs = both[job, TEGATA], both[job, who]
    assert 4 * ours.apdus <= theirs.apdus
    assert ours.to_card < theirs.to_card
    assert ours.from_card < theirs.from_card
    assert 4 * ours.link <= theirs.link
    assert ours.total < theirs.total


@foreign
def test_opensc_signs_with_the_same_work_of_the_card(both: Table) -> None:
    """Both were measured on the same card doing the same job: one private key operation."""
    for who in (OPENSC, OPENSC_TOLD):
        assert both[LOGIN, who].crypto == pytest.approx(both[LOGIN, TEGATA].crypto)


@foreign
@pytest.mark.bench
def test_table(meter: Meter, both: Table, record_property: Callable[[str, object], None]) -> None:
    jobs = (RAW, AGAIN, LOGIN, SIGN, ATTRIBUTES, PHOTO, IDENTIFY)
    rows = [Row(job, who, cost) for job in jobs for (of, who), cost in both.items() if of == job]
    text = table(rows, meter.model)
    record_property("figure", text)
    assert len(rows) == 4 * 4 + 3 * 2
    assert text.count("\n") > len(rows)
