"""Codecs of the entry badge: exact forms, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.applets.entry_badge import model
from tegata.applets.entry_badge.host import Reason, decide
from tegata.applets.entry_badge.model import BadgeRecord, Fci

from ..desk import RECORD, SITE, YEAR_2026, YEAR_2027

MOMENTS = st.integers(0, model.LAST_SECOND).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
RECORDS = st.builds(
    BadgeRecord,
    badge_number=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20),
    site=st.integers(0, 0xFFFFFFFF),
    valid_from=MOMENTS,
    valid_until=MOMENTS,
    access_classes=st.frozensets(st.integers(0, 0xFFFF), max_size=12),
)


@given(RECORDS)
def test_every_record_comes_back_and_is_sealed_in_one_length(record: BadgeRecord) -> None:
    assert BadgeRecord.parse(bytes(record)) == record
    keys = model.SessionKeys(bytes(16), bytes(16), b"\x01" * 16)
    answer = model.seal_record(keys, bytes(record))
    assert len(answer) == 96
    assert model.open_record(keys, answer) == bytes(record)


@given(st.binary(max_size=90))
def test_anything_else_is_no_record(raw: bytes) -> None:
    with pytest.raises(ValueError):
        BadgeRecord.parse(raw)


@given(st.binary(max_size=200))
def test_anything_else_is_no_fci(raw: bytes) -> None:
    with pytest.raises(ValueError):
        Fci.parse(raw)


@pytest.mark.parametrize(
    "raw",
    [
        bytes(RECORD) + b"\x00",
        bytes(RECORD)[:-2] + b"\x00\x01",  # classes not ascending
        bytes(RECORD).replace(b"B-0", b"B 0"),
        b"\x80\x00" + bytes(RECORD)[11:],
    ],
)
def test_a_record_has_one_form(raw: bytes) -> None:
    with pytest.raises(ValueError):
        BadgeRecord.parse(raw)


def test_a_right_mac_over_a_wrong_padding_opens_nothing() -> None:
    keys = model.SessionKeys(bytes(16), bytes(16), b"\x01" * 16)
    encrypted = model._cbc_encrypt(keys.badge_enc, bytes(80))
    assert model.open_record(keys, encrypted + model.cmac(keys.badge_mac, encrypted)) is None


def test_no_key_shows_in_a_repr() -> None:
    assert repr(model.SessionKeys(b"KEY!", b"KEY!", b"KEY!")) == "SessionKeys()"
    assert repr(model.token_keys(bytes(16), 1, 1)) == "TokenKeys()"


@pytest.mark.parametrize(
    ("site", "access", "now", "reason"),
    [
        (SITE, 1, YEAR_2026, Reason.GRANTED),
        (SITE, None, YEAR_2026, Reason.GRANTED),
        (SITE + 1, 1, YEAR_2026, Reason.WRONG_SITE),
        (SITE, 1, datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC), Reason.NOT_YET_VALID),
        (SITE, 1, YEAR_2027, Reason.EXPIRED),
        (SITE, 2, YEAR_2026, Reason.NO_ACCESS),
    ],
)
def test_the_decision(site: int, access: int | None, now: datetime, reason: Reason) -> None:
    decision = decide(RECORD, site, access, now)
    assert decision.reason is reason
    assert decision.granted is (reason is Reason.GRANTED)
