"""What the bridge signed, judged by programs that know nothing of it: openssl and poppler."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tegata.reader_bridge.service import Persona, rehearse
from tegata.reader_bridge.signing import verify_pdf
from tegata.simulators.pki import anchors_pem

from .conftest import Bench, load_example


def openssl(*args: str, folder: Path, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *args], cwd=folder, input=data, capture_output=True, check=False)


def test_openssl_verifies_documents_and_hashes(make_bench: Callable[..., Bench], tmp_path: Path) -> None:
    bench = make_bench(persona=Persona.load("my-number-card"))
    portal = bench.register("archive", bare_hash=True)
    kept = b"a document that stays at the portal"
    digest = base64.b64encode(hashlib.sha256(kept).digest()).decode()
    items = [
        {"kind": "cms", "label": "a letter", "document": base64.b64encode(b"a letter").decode()},
        {"kind": "hash", "label": "kept", "sha256": digest},
        {"kind": "hash", "sha256": digest},
    ]
    letter, labelled, bare = signed_items(bench, portal, items)
    (tmp_path / "roots.pem").write_bytes(anchors_pem())
    for content, made in ((b"a letter", letter), (kept, labelled)):
        (tmp_path / "content").write_bytes(content)
        (tmp_path / "signature").write_bytes(base64.b64decode(made["signature"]))
        options = ["-binary", "-inform", "DER", "-in", "signature", "-content", "content"]
        trust = ["-CAfile", "roots.pem", "-purpose", "any", "-cades"]
        ran = openssl("cms", "-verify", *options, *trust, folder=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == content
    key = x509.load_der_x509_certificate(base64.b64decode(bare["certificate"])).public_key()
    (tmp_path / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "signature").write_bytes(base64.b64decode(bare["signature"]))
    check = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
    assert openssl(*check, folder=tmp_path, data=kept).stdout == b"Verified OK\n"


def signed_items(bench: Bench, portal, items: list[dict[str, str]]) -> list[dict[str, str]]:
    browser = bench.browser()
    browser.open(portal.origin)
    session = portal.sessions[browser.client.cookies["session"]]
    consent = portal.push(session, portal._request(session, {"verb": "sign", "items": items}))
    browser.open(consent)
    browser.settle()
    claims = portal._open(portal.fetch(consent.rpartition("/")[2], None))
    return claims["items"]


def test_a_rehearsal_ends_with_a_token_and_a_document(
    make_bench: Callable[..., Bench], tmp_path: Path
) -> None:
    bench = make_bench(persona=Persona.load("my-number-card"))
    before = sorted(bench.options.portals.iterdir())
    played = rehearse(bench.bridge, load_example().sample_pdf(), "demo.pdf")
    assert sorted(bench.options.portals.iterdir()) == before
    assert json.loads(played.token)["format"] == "web-eid:1.0"
    assert verify_pdf(played.signed_pdf, bench.portal.trust) == [played.signer_certificate]
    (tmp_path / "signed.pdf").write_bytes(played.signed_pdf)
    ran = subprocess.run(
        ["pdfsig", "-nocert", tmp_path / "signed.pdf"], capture_output=True, text=True, check=False
    )
    assert "Signature is Valid." in ran.stdout
