"""Things that happen twice, at once, too late, or in another tab."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tegata.applets.jpki import JpkiKey

from .browser import Browser
from .conftest import Bench
from .test_arrivals import start
from .test_pin import at_the_pin, tries
from .test_refused import claims, push, push_claims, signed

AT_ONCE = 6


def together(call: Callable[[], Any]) -> list[Any]:
    """The same call from several threads in the same moment."""
    barrier = Barrier(AT_ONCE)

    def wait_and_call() -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(wait_and_call) for _ in range(AT_ONCE)]]


def form_again(browser: Browser, number: int = 0, **values: str) -> Callable[[], httpx.Response]:
    """The form of the page as it stands, ready to be sent as often as one likes."""
    form = browser.forms[number]
    target = urljoin(str(browser.page.url), form.action)
    cookie = "; ".join(f"{item.name}={item.value}" for item in browser.client.cookies.jar)
    headers = {**browser._from(target), "cookie": cookie, "accept": "text/html"}
    data = {**form.fields, **values}
    return lambda: httpx.post(target, data=data, headers=headers, trust_env=False, timeout=30)


def test_of_identical_requests_at_once_one_is_taken(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    answers = together(lambda: push(bench, request))
    assert sorted(answers) == [(201, "")] + [(409, "request.replayed")] * (AT_ONCE - 1)


def test_consent_given_many_times_at_once_counts_once(bench: Bench, card: Path) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    answers = together(form_again(browser, decision="accept"))
    assert sorted(answer.status_code for answer in answers) == [303] + [409] * (AT_ONCE - 1)
    browser.open(str(browser.page.url))
    browser.settle()
    browser.type_pin("1234")
    browser.go_back()
    assert browser.page.json()["user"]


def test_a_pin_sent_many_times_at_once_spends_one_try(bench: Bench, card: Path) -> None:
    browser = at_the_pin(bench)
    together(form_again(browser, pin="9999"))
    browser.open(str(browser.page.url))
    browser.settle()
    assert "2 tries are left" in browser.html
    browser.submit(1, decision="decline")
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 2


def test_a_pin_page_counts_once(bench: Bench, card: Path) -> None:
    """A second click that arrives after the card has answered, or the back button, spends nothing."""
    browser = at_the_pin(bench)
    again = form_again(browser, pin="9999")
    browser.type_pin("9999")
    assert "2 tries are left" in browser.html
    late = again()
    assert late.status_code == 303
    browser.open(str(browser.page.url))
    assert "2 tries are left" in browser.html
    browser.type_pin("1234")
    browser.go_back()
    assert browser.page.json()["user"]
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 3


def test_the_last_try_counts_only_where_the_page_said_so(bench: Bench, card: Path) -> None:
    """A tick that no page asked for is none: neither early nor kept from an older page."""
    browser = at_the_pin(bench)
    browser.type_pin("9999", last_try="yes")
    stale = form_again(browser, pin="9998", last_try="yes")
    browser.type_pin("9998", last_try="yes")
    assert "Only one try is left." in browser.html
    stale()
    browser.open(str(browser.page.url))
    browser.settle()
    assert "Only one try is left." in browser.html
    browser.submit(1, decision="decline")
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 1


def test_a_tick_of_an_earlier_page_does_not_spend_the_last_try(bench: Bench, card: Path) -> None:
    """The page said three; another program leaves one: what was ticked then was not the last try."""
    from .test_pin import _link_of

    browser = at_the_pin(bench)
    link = _link_of(bench)
    for guess in (b"9999", b"9998"):
        link.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))
        link.transmit(bytes.fromhex("00A4020C020018"))
        assert link.transmit(bytes.fromhex("0020008004") + guess)[0] == 0x63
    browser.type_pin("9997", last_try="yes")
    assert "urn:tegata:problem:pin.last_try" in browser.html
    browser.submit(1, decision="decline")
    bench.bridge.core.close()
    assert tries(card, JpkiKey.AUTHENTICATION) == 1


def test_two_tabs_end_where_the_first_decision_led(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    other_tab = form_again(browser, decision="accept")
    browser.submit(decision="decline")
    late = other_tab()
    assert late.status_code == 409
    assert "urn:tegata:problem:request.state" in late.text
    browser.open(str(browser.page.url))
    assert "You declined." in browser.html


def test_nobody_declines_while_the_card_signs(bench: Bench) -> None:
    browser = at_the_pin(bench, "sign")
    decline, send = form_again(browser, 1, decision="decline"), form_again(browser, pin="ABC123")
    assert send().status_code == 303
    assert decline().status_code == 409
    browser.open(str(browser.page.url))
    browser.settle()
    browser.go_back()
    assert browser.page.json()["signed"]


def test_ended_transactions_do_not_keep_others_out(bench: Bench) -> None:
    """A busy counter has more than a hundred logins in ten minutes; what has ended takes no room."""
    for _ in range(100):
        request = signed(bench.portal.key, claims(bench, jti=secrets.token_urlsafe(24)))
        status, _ = push(bench, request)
        assert status == 201
    assert push_claims(bench) == (400, "request.error")
    bench.clock.ahead = timedelta(seconds=61)
    now = {"iat": int(time.time()) + 61, "exp": int(time.time()) + 121}
    assert push_claims(bench, jti=secrets.token_urlsafe(24), **now) == (201, "")


@pytest.mark.parametrize("step", ["accept", "decline"])
def test_a_decision_after_the_end_changes_nothing(bench: Bench, step: str) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    send = form_again(browser, decision=step)
    bench.clock.ahead = timedelta(minutes=4)
    assert send().status_code == 410
    bench.clock.ahead = timedelta()
    browser.open(str(browser.page.url))
    assert "The time is over." in browser.html
