"""What the bridge signed, from the command line to the portal, judged by poppler's pdfsig and by OpenSSL.

The bridge is the command in a process of its own; a browser agrees and types the PIN; the portal is the
example's. None of our own verifying code has a say.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tegata.reader_bridge.signing import Anchors, Trust
from tegata.reader_bridge.web import BackgroundServer, bind
from tegata.simulators.pki import anchors, anchors_pem

from ..reader_bridge.service.browser import Browser
from ..reader_bridge.service.conftest import load_example
from .harness import SECONDS, TEGATA

pytestmark = pytest.mark.foreign

PIN, PASSWORD = "1234", "ABC123"
PUSHED_SIGN = 1
"""The place of the button on the portal's page."""


@dataclass
class Scene:
    """A portal, the bridge's process behind it, a holder's browser, and the roots of simulated cards."""

    portal: Any
    browser: Browser
    roots: Path

    def ask(self, asked: dict[str, Any], pin: str) -> dict[str, Any]:
        """A pushed request, agreed to with a PIN; the claims of its result."""
        session = self.portal.session(None)
        self.browser.open(self.portal.push(session, self.portal._request(session, asked)))
        transaction = str(self.browser.page.url).rpartition("/")[2]
        self.browser.agree()
        self.browser.type_pin(pin)
        code = dict(re.findall(r"[?&](\w+)=([^&]+)", self.browser.links[0].replace("&amp;", "&"))).get("code")
        claims: dict[str, Any] = self.portal._open(self.portal.fetch(transaction, code))
        assert claims["status"] == "done"
        return claims

    def cms_verify(self, signature: Path, content: Path) -> subprocess.CompletedProcess[bytes]:
        """OpenSSL on a detached CMS: the signature, and its certificate up to a root of the simulation."""
        where = [
            "-inform",
            "DER",
            "-in",
            str(signature),
            "-content",
            str(content),
            "-CAfile",
            str(self.roots),
        ]
        return subprocess.run(
            ["openssl", "cms", "-verify", "-binary", "-cades", "-purpose", "any", *where],
            capture_output=True,
            check=False,
        )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("bridge")
    card, key, roots = folder / "me.sim", folder / "portal.jwk", folder / "roots.pem"
    tegata("sim", "new", "my-number-card", str(card))
    roots.write_bytes(anchors_pem())
    private = ECKey.generate_key("P-256")
    key.write_text(json.dumps(private.as_dict(private=True)))
    listener = bind("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    place = ("--portal-dir", str(folder / "portals"))
    known = ("--origin", origin, "--return-url", f"{origin}/return", "--key", str(key))
    tegata("portal", "add", "example", "--name", "Example", "--standing", "test", *known, *place)
    with ExitStack() as stack:
        command = [*TEGATA, "bridge", "serve", "--json", "--port", "0", "--anchors", "sim", *place]
        process = subprocess.Popen(
            [*command, "--reader", f"sim:{card}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stack.callback(process.communicate, timeout=SECONDS)
        stack.callback(process.terminate)
        assert process.stdout is not None
        running = json.loads(process.stdout.readline())
        portal = load_example().Portal(
            name="example",
            origin=origin,
            key=private,
            bridge=running["url"],
            bridge_id=running["id"],
            trust=Trust(Anchors(anchors()), revocation_needed=False),
        )
        stack.enter_context(BackgroundServer(load_example().create_app(portal), listener))
        browser = Browser()
        stack.callback(browser.close)
        yield Scene(portal, browser, roots)


def tegata(*arguments: str) -> None:
    command = [sys.executable, "-m", "tegata.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def document(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PDF that the portal got, signed through its own pages."""
    browser = scene.browser
    browser.open(scene.portal.origin)
    browser.submit(PUSHED_SIGN)
    browser.agree()
    browser.type_pin(PASSWORD)
    browser.go_back()
    assert browser.page.json()["signed"]
    path = tmp_path_factory.mktemp("signed") / "signed.pdf"
    path.write_bytes(browser.open(f"{scene.portal.origin}/signed.pdf").content)
    return path


def test_pdfsig_says_that_the_document_is_signed(document: Path) -> None:
    said = pdfsig(document)
    for line in (
        "Signature #1:",
        "Signature is Valid.",
        "Total document signed",
        "Signature Type: ETSI.CAdES.detached",
        "Signing Hash Algorithm: SHA-256",
    ):
        assert line in said
    assert "Signature #2:" not in said


def test_pdfsig_notices_a_changed_byte(document: Path, tmp_path: Path) -> None:
    changed = bytearray(document.read_bytes())
    changed[changed.index(b"Application for")] ^= 1
    path = tmp_path / "changed.pdf"
    path.write_bytes(changed)
    assert "Digest Mismatch." in pdfsig(path)


def test_openssl_takes_the_signature_out_of_the_document(
    scene: Scene, document: Path, tmp_path: Path
) -> None:
    """The CMS in /Contents over the two parts of /ByteRange (ISO 32000-2 §12.8), and its chain."""
    whole = document.read_bytes()
    found = re.search(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", whole)
    assert found is not None
    first, length, second, rest = map(int, found.groups())
    assert (first, second + rest) == (0, len(whole))
    padded = bytes.fromhex(whole[length + 1 : second - 1].decode("ascii"))
    content, signature = tmp_path / "content", tmp_path / "signature.der"
    content.write_bytes(whole[:length] + whole[second:])
    signature.write_bytes(padded[: 4 + int.from_bytes(padded[2:4], "big")])
    done = scene.cms_verify(signature, content)
    assert done.returncode == 0, done.stderr
    assert done.stdout == content.read_bytes()


def test_openssl_verifies_a_detached_signature(scene: Scene, tmp_path: Path) -> None:
    data = b"any bytes, \x00 and \r\n among them"
    item = {"kind": "cms", "label": "contract.bin", "document": base64.b64encode(data).decode()}
    claims = scene.ask({"verb": "sign", "items": [item], "purpose": "A contract"}, PASSWORD)
    content, signature = tmp_path / "contract.bin", tmp_path / "signature.der"
    content.write_bytes(data)
    signature.write_bytes(base64.b64decode(claims["items"][0]["signature"]))
    done = scene.cms_verify(signature, content)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data
    content.write_bytes(data + b"!")
    assert scene.cms_verify(signature, content).returncode != 0


def test_openssl_verifies_a_login_token(scene: Scene, tmp_path: Path) -> None:
    """Web eID: SHA-256(origin) ‖ SHA-256(nonce), signed with the authentication key."""
    nonce = base64.b64encode(bytes(range(33))).decode()
    origin = scene.portal.origin
    token = scene.ask({"verb": "authenticate", "origin": origin, "nonce": nonce}, PIN)["token"]
    assert token["algorithm"] == "RS256"
    certificate, key, signature, data = (tmp_path / name for name in ("c.der", "k.pem", "s", "data"))
    certificate.write_bytes(base64.b64decode(token["unverifiedCertificate"]))
    signature.write_bytes(base64.b64decode(token["signature"]))
    data.write_bytes(hashlib.sha256(origin.encode()).digest() + hashlib.sha256(nonce.encode()).digest())
    openssl("x509", "-inform", "DER", "-in", str(certificate), "-pubkey", "-noout", "-out", str(key))
    said = openssl("dgst", "-sha256", "-verify", str(key), "-signature", str(signature), str(data))
    assert said == "Verified OK\n"
    pem = tmp_path / "c.pem"
    openssl("x509", "-inform", "DER", "-in", str(certificate), "-out", str(pem))
    assert openssl("verify", "-CAfile", str(scene.roots), str(pem)) == f"{pem}: OK\n"


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pdfsig(path: Path) -> str:
    return subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False).stdout
