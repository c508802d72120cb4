"""What a portal's standing decides: whose roots count, whether revocation is asked, what leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.service import Identity, Portals
from tegata.reader_bridge.service.transaction import Arrival
from tegata.reader_bridge.signing import NO_ANCHORS, Anchors, CrlFolder
from tegata.simulators.pki import anchors, hierarchy

from .conftest import Bench


def login(bench: Bench, portal) -> str:
    """The user that the portal sees, or the problem that the holder sees."""
    browser = bench.browser()
    browser.open(portal.origin)
    browser.submit(0)
    browser.agree()
    browser.type_pin("1234")
    if "urn:tegata:problem:" in browser.html:
        return browser.html.partition("urn:tegata:problem:")[2].partition("<")[0]
    browser.go_back()
    return str(browser.page.json()["user"])


@pytest.mark.parametrize("standing", ["administrative", "accredited", "operator", "none"])
def test_simulated_roots_count_for_test_portals_only(bench: Bench, standing: str) -> None:
    assert login(bench, bench.register("real", standing=standing)) == "signature.untrusted"


def test_without_anchors_nobody_is_believed(make_bench: Callable[..., Bench]) -> None:
    bench = make_bench(simulated=NO_ANCHORS)
    assert login(bench, bench.portal) == "signature.untrusted"


def test_other_anchors_do_not_count_for_a_test_portal(make_bench: Callable[..., Bench], card: Path) -> None:
    bench = make_bench(simulated=NO_ANCHORS, anchors=Anchors(anchors()))
    assert login(bench, bench.portal) == "signature.untrusted"


def test_no_revocation_answer_is_a_failure(make_bench: Callable[..., Bench], card: Path) -> None:
    bench = make_bench(anchors=Anchors(anchors()))
    assert login(bench, bench.register("city", standing="administrative")) == "signature.revocation"


def crl(*serials: int) -> bytes:
    authority, now = hierarchy().authentication, datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject,
        last_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
    )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=now).build()
        )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_revocation_list_answers(make_bench: Callable[..., Bench], card: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crl"
    folder.mkdir()
    (folder / "auth.crl").write_bytes(crl())
    bench = make_bench(anchors=Anchors(anchors()), revocation=CrlFolder(folder))
    city = bench.register("city", standing="administrative")
    assert len(login(bench, city)) == 64
    (folder / "auth.crl").write_bytes(crl(_serial(card, bench)))
    assert login(bench, city) == "signature.revoked"


def _serial(card: Path, bench: Bench) -> int:
    from tegata.apdu.card import Card
    from tegata.apdu.ports import open_reader
    from tegata.applets.jpki import JpkiKey
    from tegata.applets.jpki.host import Jpki

    reader = open_reader(f"sim:{card}")
    jpki = Jpki(Card(reader.wait_for_card()))
    jpki.select()
    certificate = x509.load_der_x509_certificate(jpki.certificate(JpkiKey.AUTHENTICATION))
    reader.close()
    return certificate.serial_number


def test_a_pairwise_portal_gets_a_name_of_its_own(bench: Bench) -> None:
    first, second = (bench.register(name, pairwise=True) for name in ("one", "two"))
    names = [login(bench, first), login(bench, first), login(bench, second), login(bench, bench.portal)]
    assert names[0] == names[1]
    assert len(set(names)) == 3
    session = bench.browser()
    session.open(first.origin)
    request = first.ask_signature(first.sessions[session.client.cookies["session"]], b"", "x")
    with pytest.raises(Exception, match="403"):
        first.push(first.session(None), request)


def test_a_pairwise_name_is_never_carried(bench: Bench) -> None:
    """The bridge of a carried request is the holder's own: its word alone would log anybody in."""
    portal = bench.register("one", pairwise=True)
    session = portal.session(None)
    with pytest.raises(RequestError) as caught:
        bench.bridge.core.accept(portal.ask_login(session), Arrival.CARRIED, origin=portal.origin)
    assert caught.value.code == "request.not_allowed"
    pushed = bench.bridge.core.accept(portal.ask_login(session), Arrival.PUSHED)
    assert pushed.portal.id == "one"


def test_the_pairwise_name_is_a_keyed_hash() -> None:
    """Recomputed by hand: HMAC-SHA-256 over the length of the portal's id, the id, and the key."""
    import hmac

    identity = Identity.make()
    expected = hmac.digest(identity.secret, b"\x00\x00\x00\x03one" + b"key", "sha256").hex()
    assert identity.pairwise("one", b"key") == expected
    assert identity.secret.hex() not in repr(identity)


def fields(**changes: object) -> dict[str, object]:
    return {
        "id": "city",
        "name": "City",
        "standing": "administrative",
        "origins": ["https://city.example"],
        "return_urls": ["https://city.example/return"],
        "keys": {"keys": [ECKey.generate_key("P-256").as_dict(private=False)]},
        **changes,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "City"},
        {"keys": {"keys": []}},
        {"keys": {"keys": [{"kty": "oct", "k": "AAAA"}]}},
        {"id": "../x"},
        {"standing": "friend"},
        {"origins": []},
        {"origins": ["https://city.example/"]},
        {"origins": ["http://city.example"]},
        {"return_urls": ["javascript:alert(1)"]},
        {"return_urls": ["https://a@city.example/"]},
        {"colour": "red"},
    ],
)
def test_a_bad_registration_is_refused(changes: dict[str, object]) -> None:
    assert Portals.make(**fields()).id == "city"
    with pytest.raises(InputError) as error:
        Portals.make(**fields(**changes))
    assert error.value.code == "portal.file"


def test_a_damaged_registration_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"id": "x"}))
    with pytest.raises(InputError) as error:
        list(Portals(tmp_path))
    assert "x.json" in error.value.sentence("en")
