"""Who gets a result, and how often: the one-time code, the relayed login, the once-only release."""

from __future__ import annotations

import json
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.util import urlsafe_b64decode

from .browser import Browser
from .conftest import Bench
from .test_arrivals import start


def finish(browser: Browser, pin: str = "1234") -> dict[str, str]:
    """Agree and type the PIN; the values of the return address that the bridge's last page names."""
    browser.agree()
    browser.type_pin(pin)
    query = parse_qs(urlsplit(browser.links[0]).query)
    return {name: values[0] for name, values in query.items()}


def ask(bench: Bench, portal, number: str, method: str = "POST", **body: str) -> tuple[int, dict]:
    proof = {**portal._proof(secrets.token_urlsafe(24)), "sub": number}
    bearer = portal._signed("tegata-assertion+jwt", proof)
    path = f"/api/transactions/{number}" + ("/result" if method == "POST" else "")
    answer = httpx.request(
        method,
        bench.bridge.url + path,
        json=body if method == "POST" else None,
        headers={"authorization": f"Bearer {bearer}"},
        trust_env=False,
    )
    return answer.status_code, answer.json()


def problem(answer: tuple[int, dict]) -> str:
    return str(answer[1].get("type", "")).removeprefix("urn:tegata:problem:")


def test_polling_never_yields_a_login(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    back = finish(browser)
    status, body = ask(bench, bench.portal, back["transaction"], "GET")
    assert (status, body["state"], body["ended"]) == (200, "done", True)
    assert set(body) == {"transaction", "state", "ended", "problem"}
    assert problem(ask(bench, bench.portal, back["transaction"])) == "request.code"
    wrong = ask(bench, bench.portal, back["transaction"], code="A" * 43)
    assert problem(wrong) == "request.code"
    status, body = ask(bench, bench.portal, back["transaction"], code=back["code"])
    assert status == 200


def test_a_result_is_given_out_once(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    back = finish(browser)
    assert ask(bench, bench.portal, back["transaction"], code=back["code"])[0] == 200
    again = ask(bench, bench.portal, back["transaction"], code=back["code"])
    assert (again[0], problem(again)) == (410, "request.released")
    browser.go_back()
    assert browser.page.status_code == 403


def test_another_portal_gets_nothing(bench: Bench) -> None:
    other = bench.register("other")
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    back = finish(browser)
    answer = ask(bench, other, back["transaction"], code=back["code"])
    assert (answer[0], problem(answer)) == (404, "request.unknown_transaction")
    assert problem(ask(bench, other, back["transaction"], "GET")) == "request.unknown_transaction"


def test_an_assertion_is_needed_and_works_once(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "login")
    number = str(browser.page.url).rpartition("/")[2]
    url = f"{bench.bridge.url}/api/transactions/{number}"
    assert httpx.get(url, trust_env=False).status_code == 401
    proof = {**bench.portal._proof(secrets.token_urlsafe(24)), "sub": number}
    headers = {"authorization": "Bearer " + bench.portal._signed("tegata-assertion+jwt", proof)}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 409
    request = bench.portal._signed("tegata-request+jwt", {**proof, "jti": secrets.token_urlsafe(24)})
    headers = {"authorization": f"Bearer {request}"}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 400


def test_an_unfinished_transaction_has_no_result(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "pushed", "sign")
    number = str(browser.page.url).rpartition("/")[2]
    assert problem(ask(bench, bench.portal, number)) == "request.state"
    browser.submit(decision="decline")
    assert problem(ask(bench, bench.portal, number)) == "request.declined"


@pytest.mark.parametrize("how", ["pushed", "carried"])
def test_a_relayed_login_lets_nobody_in(bench: Bench, how: str) -> None:
    """The attacker opens a login and lures the holder, who has a session of their own, to the bridge."""
    attacker, holder = bench.browser(), bench.browser()
    holder.open(bench.portal.origin)
    attacker.open(bench.portal.origin)
    if how == "pushed":
        session = bench.portal.sessions[attacker.client.cookies["session"]]
        lure = bench.portal.push(session, bench.portal.ask_login(session))
        holder.open(lure)
    else:
        attacker.submit(2)
        holder.page = attacker.page  # the attacker shows the holder the very form that the portal made
        holder.submit()
    assert str(holder.page.url).startswith(bench.bridge.url)
    holder.agree()
    holder.type_pin("1234")
    holder.go_back()
    assert holder.page.status_code == 403
    assert "did not ask for that" in holder.page.text
    for browser in (attacker, holder):
        assert browser.open(f"{bench.portal.origin}/me").json()["user"] is None


def test_a_relaying_attacker_cannot_fetch_by_polling_the_page(bench: Bench) -> None:
    attacker, holder = bench.browser(), bench.browser()
    attacker.open(bench.portal.origin)
    session = bench.portal.sessions[attacker.client.cookies["session"]]
    lure = bench.portal.push(session, bench.portal.ask_login(session))
    holder.open(lure)
    finish(holder)
    attacker.open(lure)  # the code is on the holder's page only
    assert attacker.page.status_code == 403
    transaction = lure.rpartition("/")[2]
    state = next(iter(session.asked))
    guess = f"{bench.portal.origin}/return?transaction={transaction}&status=done&state={state}"
    assert attacker.open(guess).status_code == 403
    assert attacker.open(f"{bench.portal.origin}/me").json()["user"] is None


def test_a_carried_answer_is_for_the_portal_alone(bench: Bench) -> None:
    """It is a JWE to the registered key, and what is inside is signed by the bridge."""
    other = bench.register("other")
    browser = bench.browser()
    start(bench, browser, "carried", "login")
    browser.agree()
    browser.type_pin("1234")
    form = browser.forms[0]
    assert form.action == f"{bench.portal.origin}/return"
    assert browser.page.headers["content-security-policy"].count("form-action") == 1
    assert f"form-action {bench.portal.origin};" in browser.page.headers["content-security-policy"]
    answer = form.fields["response"]
    header = json.loads(urlsafe_b64decode(answer.split(".")[0].encode()))
    assert (header["alg"], header["enc"]) == ("ECDH-ES+A256KW", "A256GCM")
    registry = JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM"])
    with pytest.raises((JoseError, InvalidUnwrap)):
        jwe.decrypt_compact(answer, other.key, registry=registry)
    claims = bench.portal._open(bench.portal.decrypt(answer))
    assert (claims["iss"], claims["aud"], claims["status"]) == (bench.bridge.id, "example", "done")
    assert set(claims["token"]) == {
        "unverifiedCertificate",
        "algorithm",
        "signature",
        "format",
        "appVersion",
    }
    assert bench.portal.origin not in json.dumps(claims["token"])


def test_a_carried_result_cannot_be_fetched(bench: Bench) -> None:
    browser = bench.browser()
    start(bench, browser, "carried", "login")
    number = str(browser.page.url).rpartition("/")[2]
    browser.agree()
    browser.type_pin("1234")
    assert problem(ask(bench, bench.portal, number)) == "request.not_allowed"
