from __future__ import annotations

import io
from datetime import timedelta

import pytest
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from tegata.reader_bridge.signing import Anchors, Trust

from .jpki_pki import Generation
from .pki import Authority, Holder


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("JPKI-TEST root")


@pytest.fixture(scope="session")
def signer(authority: Authority) -> Holder:
    return authority.issue("digital_signature", "content_commitment")


@pytest.fixture(scope="session")
def client(authority: Authority) -> Holder:
    return authority.issue("digital_signature", client=True)


@pytest.fixture(scope="session")
def trust(authority: Authority) -> Trust:
    return Trust(Anchors((authority.der,)), revocation_needed=False)


@pytest.fixture(scope="session")
def sign_ca() -> Generation:
    return Generation("sign", 0x132C4AB)


@pytest.fixture(scope="session")
def older_ca() -> Generation:
    """Another generation: the same name, another key and serial number."""
    return Generation("sign", 0x01, started=timedelta(days=3000))


@pytest.fixture(scope="session")
def auth_ca() -> Generation:
    return Generation("auth", 0x133C349)


@pytest.fixture(scope="session")
def resident(sign_ca: Generation) -> Holder:
    return sign_ca.issue()


@pytest.fixture(scope="session")
def visitor(auth_ca: Generation) -> Holder:
    return auth_ca.issue()


@pytest.fixture(scope="session")
def roots(sign_ca: Generation, auth_ca: Generation) -> Anchors:
    return Anchors((sign_ca.der, auth_ca.der))


@pytest.fixture(scope="session")
def jpki_trust(roots: Anchors) -> Trust:
    return Trust(roots, revocation_needed=False)


@pytest.fixture(scope="session")
def document() -> bytes:
    writer = PdfFileWriter()
    page = PageObject(contents=writer.add_object(_stream()), media_box=(0, 0, 595, 842))
    writer.insert_page(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _stream():
    from pyhanko.pdf_utils.generic import StreamObject

    return StreamObject(stream_data=b"0 0 0 rg 72 720 200 2 re f")
