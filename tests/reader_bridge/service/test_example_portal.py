"""The example portal, which others will copy, against its own users: it must not believe the browser."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

import pytest
from fastapi import HTTPException
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tegata.reader_bridge.service import Identity

from .conftest import Bench, load_example
from .test_arrivals import start
from .test_pin import at_the_pin


def result(bench: Bench, identity: Identity, **claims: Any) -> str:
    now = int(time.time())
    fixed = {"iss": identity.id, "aud": bench.portal.name, "iat": now, "exp": now + 60, "status": "done"}
    return identity.sign({**fixed, **claims})


@pytest.mark.parametrize("how", ["pushed", "carried"])
def test_a_session_planted_before_the_login_stays_outside(bench: Bench, how: str) -> None:
    """Session fixation: the attacker plants a session of their own and waits for the holder's login."""
    attacker, holder = bench.browser(), bench.browser()
    attacker.open(bench.portal.origin)
    planted = attacker.client.cookies["session"]
    holder.client.cookies.set("session", planted, domain="127.0.0.1")
    start(bench, holder, how, "login")
    holder.agree()
    holder.type_pin("1234")
    holder.go_back()
    assert holder.page.json()["user"]
    assert attacker.open(f"{bench.portal.origin}/me").json()["user"] is None


def test_another_document_than_the_one_asked_for_is_refused(bench: Bench) -> None:
    """The bridge of a carried request is the holder's own: it may sign whatever the holder likes."""
    example = load_example()
    browser = at_the_pin(bench, "sign")
    browser.type_pin("ABC123")
    browser.go_back()
    signed = browser.open(f"{bench.portal.origin}/signed.pdf").content
    identity = bench.bridge.core.identity
    session = example.Session()
    bench.portal.ask_signature(session, example.sample_pdf("I owe you a million"), "contract.pdf")
    (asked,) = session.asked
    items = [{"label": "contract.pdf", "kind": "pdf", "document": base64.b64encode(signed).decode()}]
    with pytest.raises(HTTPException) as error:
        bench.portal.finish(session, result(bench, identity, request=asked, verb="sign", items=items))
    assert error.value.status_code == 403
    assert session.document is None


def test_a_result_of_another_bridge_is_refused(bench: Bench) -> None:
    session = load_example().Session()
    bench.portal.ask_login(session)
    (asked,) = session.asked
    for forged in (
        result(bench, Identity.make(), request=asked, subject="me"),
        with_our_id(bench, asked),
    ):
        with pytest.raises((HTTPException, JoseError)):
            bench.portal.finish(session, forged)
    assert session.user is None


def with_our_id(bench: Bench, asked: str) -> str:
    """Signed by a stranger's key, with the bridge's own key in the header."""
    key, now = ECKey.generate_key("P-256"), int(time.time())
    public = bench.bridge.core.identity.key.as_dict(private=False)
    claims = {
        "iss": bench.bridge.id,
        "aud": bench.portal.name,
        "jti": secrets.token_urlsafe(16),
        "iat": now,
        "exp": now + 60,
        "request": asked,
        "status": "done",
        "subject": "me",
    }
    return jws.serialize_compact({"alg": "ES256", "jwk": public}, json.dumps(claims), key, ["ES256"])


def test_a_pairwise_subject_is_no_user_where_tokens_were_asked_for(bench: Bench) -> None:
    """A portal that gets tokens verifies them; a bare name from a holder's own bridge proves nothing."""
    session = load_example().Session()
    bench.portal.ask_login(session)
    (asked,) = session.asked
    forged = result(bench, bench.bridge.core.identity, request=asked, subject="somebody else")
    with pytest.raises(HTTPException) as error:
        bench.portal.finish(session, forged)
    assert error.value.status_code == 403
    assert session.user is None
