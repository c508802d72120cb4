from __future__ import annotations

import io

import pytest
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

from tegata.reader_bridge.signing import Anchors, Trust

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
