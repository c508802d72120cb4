"""Both ways a request can come, both verbs, from the portal's button to the portal's page."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.reader_bridge.service import Persona
from tegata.reader_bridge.signing import verify_pdf

from .conftest import Bench, load_example


@pytest.mark.parametrize("how", ["pushed", "carried"])
def test_a_holder_logs_in(bench: Bench, how: str) -> None:
    browser = bench.browser()
    start(bench, browser, how, "login")
    assert "example portal" in browser.html
    browser.agree()
    assert "Tries left: 3" in browser.html
    browser.type_pin("1234")
    browser.go_back()
    answer = browser.page.json()
    assert len(answer["user"]) == 64
    assert not answer["signed"]


@pytest.mark.parametrize("how", ["pushed", "carried"])
def test_a_holder_signs_a_document(bench: Bench, how: str, tmp_path: Path) -> None:
    browser = bench.browser()
    start(bench, browser, how, "sign")
    assert "name, address, date of birth and sex" in browser.html
    assert "application.pdf" in browser.html
    browser.agree()
    browser.type_pin("abc123")  # the signature password counts in any case
    browser.go_back()
    assert browser.page.json() == {"user": None, "signed": True}
    document = browser.open(f"{bench.portal.origin}/signed.pdf").content
    assert verify_pdf(document, bench.portal.trust)
    (tmp_path / "signed.pdf").write_bytes(document)
    ran = subprocess.run(
        ["pdfsig", "-nocert", tmp_path / "signed.pdf"], capture_output=True, text=True, check=False
    )
    assert "Signature is Valid." in ran.stdout


def test_the_document_can_be_read_before_consent(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "sign")
    response = browser.client.get(f"{bench.bridge.url}{browser.links[0]}")
    assert response.content == load_example().sample_pdf()
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["content-security-policy"] == "sandbox"


def test_the_pages_speak_japanese(bench: Bench) -> None:
    browser = bench.browser("ja,en;q=0.5")
    start(bench, browser, "pushed", "sign")
    assert "氏名・住所・生年月日・性別" in browser.html
    browser.agree()
    assert "署名用パスワード" in browser.html
    assert "残り 5 回" in browser.html


def test_nothing_about_reader_or_card_is_said_before_consent(bench: Bench, card: Path) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    for word in ("sim:", str(card), "Tries", "reader"):
        assert word not in browser.html


@pytest.mark.parametrize("how", ["pushed", "carried"])
@pytest.mark.parametrize("what", ["login", "sign"])
def test_a_persona_does_it_all(make_bench: Callable[..., Bench], how: str, what: str) -> None:
    bench = make_bench(persona=Persona.load("my-number-card"))
    browser = bench.browser()
    start(bench, browser, how, what)
    browser.settle()
    browser.go_back()
    assert browser.page.json()["signed" if what == "sign" else "user"]


def test_a_long_document_passes(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(persona=Persona.load("my-number-card"))
    browser, portal = bench.browser(), bench.portal
    browser.open(portal.origin)
    session = next(iter(portal.sessions.values()))
    document = load_example().sample_pdf("x" * 3_000_000)
    browser.open(portal.push(session, portal.ask_signature(session, document, "long.pdf")))
    browser.settle()
    browser.go_back()
    signed = browser.open(f"{portal.origin}/signed.pdf").content
    assert signed.startswith(document)


def start(bench: Bench, browser, how: str, what: str) -> None:
    """Press the portal's button and arrive at the bridge."""
    browser.open(bench.portal.origin)
    order = [("pushed", "login"), ("pushed", "sign"), ("carried", "login"), ("carried", "sign")]
    browser.submit(order.index((how, what)))
    if how == "carried":
        browser.submit()
    assert str(browser.page.url).startswith(bench.bridge.url)
