"""The PIN page: what is typed, what is spent, what is said; and the ways a transaction ends without one."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tegata.apdu.card import Card
from tegata.apdu.errors import InputError, RequestError
from tegata.apdu.ports import open_reader
from tegata.applets.jpki import JpkiKey
from tegata.applets.jpki.host import Jpki
from tegata.reader_bridge.service import Bridge, Persona

from .conftest import Bench
from .test_arrivals import start


def at_the_pin(bench: Bench, what: str = "login", how: str = "pushed"):
    browser = bench.browser()
    start(bench, browser, how, what)
    browser.agree()
    return browser


def tries(card: Path, key: JpkiKey) -> int:
    """Ask the card itself, in a session of its own."""
    reader = open_reader(f"sim:{card}")
    try:
        jpki = Jpki(Card(reader.wait_for_card()))
        jpki.select()
        return jpki.tries(key)
    finally:
        reader.close()


def test_a_wrong_pin_says_how_many_tries_are_left(bench: Bench) -> None:
    browser = at_the_pin(bench)
    browser.type_pin("9999")
    assert "was wrong. 2 tries are left." in browser.html
    assert "urn:tegata:problem:pin.wrong" in browser.html
    browser.type_pin("1234")
    browser.go_back()
    assert browser.page.json()["user"]


@pytest.mark.parametrize("pin", ["", "12", "12345", "12a4", "１２３４"])
def test_the_form_of_a_pin_is_checked_before_the_card_is_asked(bench: Bench, card: Path, pin: str) -> None:
    browser = at_the_pin(bench)
    browser.type_pin(pin)
    assert "must be 4 digits" in browser.html
    assert "urn:tegata:problem:pin.format" in browser.html
    browser.submit(1, decision="decline")
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 3


def test_the_last_try_needs_a_tick_and_then_blocks(bench: Bench, card: Path) -> None:
    browser = at_the_pin(bench)
    browser.type_pin("9999")
    browser.type_pin("9998")
    assert "Only one try is left." in browser.html
    browser.type_pin("9997")
    assert "urn:tegata:problem:pin.last_try" in browser.html
    browser.type_pin("9997", last_try="yes")
    assert "urn:tegata:problem:pin.blocked" in browser.html
    browser.go_back()
    assert browser.page.status_code == 403
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 0


def test_a_blocked_pin_is_said_at_once(bench: Bench) -> None:
    browser = at_the_pin(bench)
    for pin, more in (("9999", {}), ("9998", {}), ("9997", {"last_try": "yes"})):
        browser.type_pin(pin, **more)
    again = at_the_pin(bench)
    assert "urn:tegata:problem:pin.blocked" in again.html
    assert "The authentication PIN" in again.html


def test_tries_spent_elsewhere_meanwhile_count(bench: Bench) -> None:
    """The page showed three tries; by now one is left, and it is not spent on an old promise."""
    browser = at_the_pin(bench)
    link = _link_of(bench)
    for guess in (b"9999", b"9998"):
        link.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
        link.transmit(bytes.fromhex("00A4020C020018"))
        assert link.transmit(bytes.fromhex("0020008004") + guess)[0] == 0x63
    browser.type_pin("9997")
    assert "urn:tegata:problem:pin.last_try" in browser.html
    browser.type_pin("1234", last_try="yes")
    browser.go_back()
    assert browser.page.json()["user"]


def _link_of(bench: Bench):
    """Another program at the same card: the link that the worker holds, between PIN page and VERIFY."""
    import gc

    from tegata.simulators.link import SimulatedLink

    (link,) = [found for found in gc.get_objects() if type(found) is SimulatedLink and found.card.powered]
    return link


def test_the_card_is_reset_after_a_signature(bench: Bench, card: Path) -> None:
    browser = at_the_pin(bench, "sign")
    browser.type_pin("ABC123")
    bench.bridge.core.close()
    reader = open_reader(f"sim:{card}")
    link = reader.wait_for_card()
    link.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
    link.transmit(bytes.fromhex("00A4020C020001"))
    assert link.transmit(bytes.fromhex("00B0000004")) == bytes.fromhex("6982")
    reader.close()


@pytest.mark.parametrize("how", ["pushed", "carried"])
def test_a_holder_declines(bench: Bench, how: str) -> None:
    browser = bench.browser()
    start(bench, browser, how, "sign")
    browser.submit(decision="decline")
    assert "You declined. Nothing was signed." in browser.html
    browser.go_back()
    assert browser.page.status_code == 403
    assert "declined" in browser.page.text


def test_declining_is_possible_until_the_pin_is_typed(bench: Bench, card: Path) -> None:
    browser = at_the_pin(bench)
    browser.submit(1, decision="decline")
    assert "You declined." in browser.html
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 3


@pytest.mark.parametrize("stage", ["consent", "pin"])
def test_time_runs_out(bench: Bench, stage: str) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    if stage == "pin":
        browser.agree()
    bench.clock.ahead = timedelta(minutes=5)
    form = {"decision": "accept"} if stage == "consent" else {"pin": "1234"}
    browser.submit(**form)
    assert browser.page.status_code == 410
    assert "urn:tegata:problem:request.expired" in browser.html
    bench.clock.ahead = timedelta()


def test_a_reader_that_is_free_again_serves_the_next(bench: Bench) -> None:
    """An expired transaction lets the reader go."""
    at_the_pin(bench)
    bench.clock.ahead = timedelta(minutes=6)
    time.sleep(0.5)
    bench.clock.ahead = timedelta()
    browser = at_the_pin(bench)
    browser.type_pin("1234")
    browser.go_back()
    assert browser.page.json()["user"]


def test_two_holders_queue_for_one_reader(bench: Bench) -> None:
    first = at_the_pin(bench)
    second = bench.browser()
    start(bench, second, "pushed", "login")
    second.submit(decision="accept")
    assert "Put your card on the reader" in second.html
    first.type_pin("1234")
    second.settle()
    second.type_pin("1234")
    for browser in (first, second):
        browser.go_back()
        assert browser.page.json()["user"]


def test_a_busy_card_is_one_sentence(bench: Bench, card: Path) -> None:
    reader = open_reader(f"sim:{card}")
    browser = at_the_pin(bench)
    assert "This did not work." in browser.html
    assert "urn:tegata:problem:cardfile.locked" in browser.html
    reader.close()


def test_a_card_taken_away_before_the_pin_spends_nothing(bench: Bench, card: Path) -> None:
    browser = at_the_pin(bench)
    _link_of(bench).close()
    browser.type_pin("9999")
    assert "urn:tegata:problem:card.removed" in browser.html
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 3


def test_a_missing_reader_is_said_to_the_holder_alone(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody.comm"))
    bench = make_bench(reader="pcsc:")
    browser = at_the_pin(bench)
    assert "No card reader was found." in browser.html
    number = browser.page.url.path.rpartition("/")[2]
    proof = {**bench.portal._proof("0123456789abcdef"), "sub": number}
    bearer = bench.portal._signed("tegata-assertion+jwt", proof)
    url = f"{bench.bridge.url}/api/transactions/{number}"
    seen = httpx.get(url, headers={"authorization": f"Bearer {bearer}"}, trust_env=False).json()
    assert (seen["state"], seen["problem"]) == ("failed", "urn:tegata:problem:reader.none")


def test_every_step_is_in_the_audit_chain(bench: Bench) -> None:
    from tegata.reader_bridge.store import audit, open_engine

    at_the_pin(bench).type_pin("1234")
    with open_engine(bench.options.home / "bridge.sqlite").connect() as connection:
        assert audit.verify(connection) is None
        kinds = [row.kind for row in connection.execute(audit.AUDIT.select().order_by(audit.AUDIT.c.seq))]
    steps = ["created", "awaiting_consent", "awaiting_card", "awaiting_pin", "signing", "done"]
    assert kinds == [f"bridge.{step}" for step in steps]


def test_another_browser_cannot_go_on(bench: Bench) -> None:
    browser = at_the_pin(bench)
    other = bench.browser()
    other.open(str(browser.page.url))
    assert other.page.status_code == 403
    assert "urn:tegata:problem:request.browser" in other.html


def test_a_forged_form_is_refused(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    page = str(browser.page.url)
    headers = {"origin": bench.bridge.url, "cookie": f"tegata={browser.client.cookies['tegata']}"}
    form = {"decision": "accept", "csrf": "guess"}
    forged = httpx.post(f"{page}/consent", data=form, headers=headers, trust_env=False)
    assert (forged.status_code, forged.json()["type"]) == (403, "urn:tegata:problem:request.browser")
    form["csrf"] = browser.forms[0].fields["csrf"]
    for origin in ("null", bench.portal.origin, "http://localhost"):
        forged = httpx.post(
            f"{page}/consent", data=form, headers={**headers, "origin": origin}, trust_env=False
        )
        assert (forged.status_code, forged.json()["type"]) == (403, "urn:tegata:problem:request.origin")
    cross = {**headers, "sec-fetch-site": "cross-site"}
    assert httpx.post(f"{page}/consent", data=form, headers=cross, trust_env=False).status_code == 403


def test_what_was_open_is_closed_by_the_next_start(bench: Bench) -> None:
    at_the_pin(bench)
    bench.bridge.core.close()
    with Bridge(bench.options):
        rows = sqlite3.connect(bench.options.home / "bridge.sqlite").execute(
            "select state from bridge_transaction"
        )
        assert [state for (state,) in rows] == ["failed"]


def test_a_persona_never_spends_the_last_try(
    make_bench: Callable[..., Bench], tmp_path: Path, card: Path
) -> None:
    path = tmp_path / "persona.toml"
    path.write_text('authentication = "9999"\nsignature = "WRONG1"\n')
    bench = make_bench(persona=Persona.load(str(path)))
    for problem in ("pin.wrong", "pin.wrong", "pin.last_try"):
        browser = bench.browser()
        start(bench, browser, "pushed", "login")
        browser.settle()
        assert f"urn:tegata:problem:{problem}" in browser.html
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 1


def test_a_persona_refuses_real_readers(make_bench: Callable[..., Bench]) -> None:
    with pytest.raises(RequestError) as error:
        make_bench(reader="pcsc:Real", persona=Persona.load("my-number-card"))
    assert error.value.code == "bridge.auto"
    with pytest.raises(InputError) as bad:
        Persona.load("nobody")
    assert bad.value.code == "input.file"
    assert "1234" not in repr(Persona.load("my-number-card"))


def test_neither_pin_nor_holder_is_kept_anywhere(
    bench: Bench, card: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    browser = at_the_pin(bench, "sign")
    browser.type_pin("XYZZY9")
    browser.type_pin("abc123")
    browser.go_back()
    assert browser.page.json()["signed"]
    document = browser.open(f"{bench.portal.origin}/signed.pdf").content
    from cryptography import x509

    from tegata.reader_bridge.signing import verify_pdf

    (der,) = verify_pdf(document, bench.portal.trust)
    certificate = x509.load_der_x509_certificate(der)
    bench.bridge.core.close()
    serial = certificate.serial_number
    kept = b"".join(path.read_bytes() for path in bench.options.home.rglob("*") if path.is_file())
    said = "\n".join(
        record.getMessage() + str(record.exc_text or "")
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    ).encode()
    names = [attribute.value for attribute in certificate.subject if len(str(attribute.value)) > 2]
    for secret in ("XYZZY9", "abc123", "ABC123", f"{serial:x}", f"{serial:X}", str(serial), *map(str, names)):
        assert secret.encode() not in kept
        assert secret.encode() not in said
