"""The ledger on a real database: durable intents, one live badge, known keys, and an audit chain."""

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from tegata.apdu import InputError
from tegata.apdu.ports import KeyRef
from tegata.provisioning.ledger import Books, Ledger, Line
from tegata.provisioning.ledger.tables import LIVE_BADGES, METADATA
from tegata.provisioning.orders import create_order
from tegata.provisioning.profile import load_profile
from tegata.provisioning.roster import read_roster
from tegata.reader_bridge.store import audit

EXAMPLES = Path(__file__).parents[2] / "examples"
CPLC = bytes.fromhex("4790D3211A2B3C4D5E6F")
DOMAIN = "A000000151000000"
DAYS = {"valid_from": date(2026, 4, 1), "valid_until": date(2031, 3, 31)}


def key(usage: str, version: int) -> KeyRef:
    return KeyRef("desk", "badges", "sp800-108-cmac", CPLC, version, usage, kcv="504A77")


@pytest.fixture
def lines(ledger: Ledger) -> list[Line]:
    order, _ = create_order(
        ledger, read_roster(EXAMPLES / "roster.csv"), load_profile(EXAMPLES / "badge-profile.toml")
    )
    with ledger.read() as books:
        return books.lines(order.id)


def refused(code: str, ledger: Ledger, work: object) -> None:
    with pytest.raises(InputError) as caught, ledger.begin() as books:
        work(books)  # type: ignore[operator]
    assert caught.value.code == code


def test_the_migrations_make_exactly_the_tables(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), METADATA)
    others = {name for name in inspect(ledger.engine).get_table_names() if name not in METADATA.tables}
    assert [one for one in differences if one[1].name not in others] == []
    assert others == {"audit", "migrated_provisioning", "migrated_reader_bridge_store_audit_migrations"}
    index = next(
        one
        for one in inspect(ledger.engine).get_indexes("badges")
        if str(one["name"]).endswith("per_employee")
    )
    where = index["dialect_options"]["sqlite_where"].text
    assert all(repr(state) in where for state in LIVE_BADGES)


def test_a_line_goes_its_way_and_no_other(ledger: Ledger, lines: list[Line]) -> None:
    first = lines[0]
    refused("ledger.transition", ledger, lambda books: books.move_line(first.id, "done"))
    refused("ledger.transition", ledger, lambda books: books.move_line(first.id, "made-up"))
    refused("order.unknown", ledger, lambda books: books.move_line(999, "done"))
    with ledger.begin() as books:
        card = books.add_card(CPLC)
        assert books.claim_line(first.id, card.id).state == "at_station"
        assert books.line_of_card(card.id).id == first.id  # type: ignore[union-attr]
    with ledger.begin() as books:
        # after a kill the same card takes its line up again; another card cannot
        assert books.claim_line(first.id, card.id).card_id == card.id
    with ledger.begin() as books:
        other = books.add_card(b"another card")
    refused("ledger.transition", ledger, lambda books: books.claim_line(first.id, other.id))
    with ledger.begin() as books:
        books.move_line(first.id, "failed", "card torn")
        assert books.claim_line(first.id, other.id).card_id == other.id
        books.move_line(first.id, "done")
    with ledger.read() as books:
        assert books.line_counts(first.order_id) == {"done": 1, "ready": 21}
        assert books.line_of_card(other.id) is None
        assert len(books.lines(states=("ready",), card_kind="holder")) == 2


def test_a_transaction_is_whole_or_nothing(ledger: Ledger, lines: list[Line]) -> None:
    def half(books: Books) -> None:
        books.add_card(CPLC)
        books.move_line(999, "done")

    refused("order.unknown", ledger, half)
    with ledger.read() as books:
        assert books.find_card(CPLC) is None
        assert audit.head(books._connection)[0] == len(lines) + 1  # the order alone is on record
    assert ledger.verify_audit() is None


def test_cards_remember_where_they_came_from(ledger: Ledger) -> None:
    with ledger.begin() as books:
        card = books.add_card(CPLC)
        assert books.add_card(CPLC) == card
        for state in ("in_production", "active", "suspended"):
            books.move_card(card.id, state)
        assert books.card(card.id).prior_state == "active"
        books.move_card(card.id, "active")
        books.move_card(card.id, "quarantine", "no key fits")
        assert books.cards(states=("quarantine",))[0].reason == "no key fits"
    refused("ledger.transition", ledger, lambda books: books.move_card(card.id, "active"))


def test_an_intent_carries_the_keys_it_may_put_on_the_card(ledger: Ledger, lines: list[Line]) -> None:
    with ledger.begin() as books:
        card = books.add_card(CPLC)
        for usage in ("enc", "mac", "dek"):
            books.put_key(card.id, DOMAIN, key(usage, 255), "live")
        keys = [(DOMAIN, key(usage, 1)) for usage in ("enc", "mac", "dek")]
        intent = books.record_intent(card.id, "put-key", {"kvn": 1}, line_id=lines[0].id, keys=keys)
    with ledger.read() as books:
        assert books.intents(card.id) == [intent]
        assert intent.data == {"kvn": 1}
        assert [(one.ref.version, one.state) for one in books.keys(card.id)] == [
            *[(255, "live")] * 3,
            *[(1, "intended")] * 3,
        ]
        assert books.keys(card.id, version=1)[0].intent_id == intent.id
    with ledger.begin() as books:
        books.settle_intent(intent.id)
        assert books.move_keys(card.id, DOMAIN, 1, "live") == 3
        assert books.move_keys(card.id, DOMAIN, 255, "gone") == 3
    refused("ledger.intent", ledger, lambda books: books.settle_intent(intent.id, "abandoned"))
    with ledger.read() as books:
        assert {one.ref.version for one in books.keys(card.id)} == {1}
        assert books.keys(card.id)[0].ref == key("enc", 1)
        assert books.intents(card.id) == []
        assert len(books.intents(card.id, step="put-key", states=("done",))) == 1


def test_recording_the_same_intent_twice_knows_each_key_once(ledger: Ledger) -> None:
    with ledger.begin() as books:
        card = books.add_card(CPLC)
        for _ in range(2):
            books.record_intent(card.id, "put-key", keys=[(DOMAIN, key("enc", 1))])
        assert len(books.keys(card.id)) == 1
        assert len(books.intents(card.id)) == 2


def open_badge(books: Books, line: Line, card_id: int, application: str = "employee-id") -> object:
    return books.open_badge(line.id, card_id, application, "guid", **DAYS)


def test_one_live_badge_for_each_employee_and_application(ledger: Ledger, lines: list[Line]) -> None:
    with ledger.begin() as books:
        card, other = books.add_card(CPLC), books.add_card(b"other")
        badge = books.open_badge(lines[0].id, card.id, "employee-id", "guid", **DAYS)
        assert open_badge(books, lines[0], card.id) == badge  # asked again after a kill: the same one
        open_badge(books, lines[0], card.id, "entry-badge")
    # the same employee on another card, and another employee on the same card
    refused("ledger.one_badge", ledger, lambda books: open_badge(books, lines[0], other.id))
    refused("ledger.one_badge", ledger, lambda books: open_badge(books, lines[1], card.id))
    refused("order.unknown", ledger, lambda books: books.open_badge(999, card.id, "x", "y", **DAYS))
    with ledger.begin() as books:
        books.move_badge(badge.id, "live")
        books.move_badge(badge.id, "retired", "lost")
        open_badge(books, lines[0], other.id)
        assert len(books.badges(employee=lines[0].employee)) == 3
        assert len(books.badges(card_id=card.id, states=LIVE_BADGES)) == 1


def test_a_refusal_does_not_spoil_its_transaction(ledger: Ledger, lines: list[Line]) -> None:
    with ledger.begin() as books:
        card, other = books.add_card(CPLC), books.add_card(b"other")
        open_badge(books, lines[0], card.id)
        with pytest.raises(InputError):
            open_badge(books, lines[0], other.id)
        books.move_card(card.id, "in_production")
    with ledger.read() as books:
        assert books.card(card.id).state == "in_production"
    assert ledger.verify_audit() is None


def test_bindings_are_pairwise_and_one_each(ledger: Ledger, lines: list[Line]) -> None:
    one, two = (line for line in lines if line.card_kind == "holder")
    with ledger.begin() as books:
        binding = books.bind(one.id, "entry-badge", "a" * 64, **DAYS)
        assert books.bind(one.id, "entry-badge", "a" * 64, **DAYS) == binding
    refused("ledger.one_badge", ledger, lambda books: books.bind(two.id, "entry-badge", "a" * 64, **DAYS))
    refused("ledger.one_badge", ledger, lambda books: books.bind(one.id, "entry-badge", "b" * 64, **DAYS))
    with ledger.begin() as books:
        books.end_binding(binding.id)
        books.bind(one.id, "entry-badge", "b" * 64, **DAYS)  # the card was renewed
        assert [found.subject for found in books.bindings(employee=one.employee)] == ["b" * 64]
        assert books.bindings(subject="a" * 64) == []
    refused("order.unknown", ledger, lambda books: books.end_binding(binding.id))


def test_a_serial_is_reserved_before_it_is_used(ledger: Ledger, lines: list[Line]) -> None:
    line = lines[0]
    with ledger.begin() as books:
        found = books.reserve_certificate(2**127 + 5, line.employee, line_id=line.id)
        assert (found.serial, found.state, found.der) == (2**127 + 5, "reserved", None)
    refused("order.unknown", ledger, lambda books: books.issue_certificate(7, b""))
    refused("ledger.transition", ledger, lambda books: books.deliver_certificate(2**127 + 5))
    with ledger.begin() as books:
        books.issue_certificate(2**127 + 5, b"der")
        books.deliver_certificate(2**127 + 5)
        books.revoke_certificate(2**127 + 5, "key_compromise")
        books.reserve_certificate(8, line.employee, line_id=line.id)
        books.orphan_certificate(8)
    with ledger.read() as books:
        states = {found.serial: (found.state, found.reason) for found in books.certificates(line_id=line.id)}
        assert states == {
            2**127 + 5: ("revoked", "key_compromise"),
            8: ("orphaned", "cessation_of_operation"),
        }
        assert all(found.revoked for found in books.certificates(states=("revoked", "orphaned")))


def test_the_audit_chain_holds_no_personal_data(ledger: Ledger, lines: list[Line]) -> None:
    with ledger.begin() as books:
        card = books.add_card(CPLC)
        books.claim_line(lines[0].id, card.id)
        open_badge(books, lines[0], card.id)
        books.reserve_certificate(9, lines[0].employee)
    with ledger.read() as books:
        rows = [row.kind + row.data for row in books._connection.execute(audit.AUDIT.select())]
    assert len(rows) == len(lines) + 5
    for word in ("SATO", "佐藤", "000101", "example.jp", CPLC.hex()):
        assert not [row for row in rows if word in row], word
    assert ledger.verify_audit() is None


KILLED = """
import os, signal, sys
from tegata.provisioning.ledger import Ledger
ledger = Ledger.open(sys.argv[1])
with ledger.begin() as books:
    card = books.add_card(b"card")
    books.record_intent(card.id, "put-key", {"kvn": 1})
with ledger.begin() as books:
    books.settle_intent(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_intent_survives_a_kill_and_a_half_done_transaction_does_not(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    ledger = Ledger.open(path)
    with ledger.read() as books:
        card = books.find_card(b"card")
        assert card is not None
        assert [(one.step, one.state) for one in books.intents(card.id)] == [("put-key", "open")]
    assert ledger.verify_audit() is None
    ledger.close()
