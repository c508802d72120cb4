"""PDFs that are verified, and the attacks on them: signed with pyHanko and OpenSSL, altered by hand."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from asn1crypto.keys import PrivateKeyInfo
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.signing import (
    Anchors,
    CrlFolder,
    Form,
    Report,
    Trust,
    sign_detached,
    sign_pdf,
    verify_bytes,
    verify_pdf,
)

from .jpki_pki import Generation
from .pki import Holder, write_pair

DAY = timedelta(days=1)
PADES, ADOBE = SigSeedSubFilter.PADES, SigSeedSubFilter.ADOBE_PKCS7_DETACHED


def foreign_sign(
    document: bytes,
    holder: Holder,
    *,
    field: str = "A",
    subfilter: SigSeedSubFilter = PADES,
    digest: str = "sha256",
    certify: MDPPerm | None = None,
    reserved: int | None = None,
) -> bytes:
    """Signed by pyHanko's own signer with a key in software."""
    secret = holder.key.private_bytes(
        Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    signer = SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(holder.certificate),
        signing_key=PrivateKeyInfo.load(secret),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = PdfSignatureMetadata(
        field_name=field,
        md_algorithm=digest,
        subfilter=subfilter,
        certify=certify is not None,
        docmdp_permissions=certify or MDPPerm.FILL_FORMS,
    )
    out = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    PdfSigner(metadata, signer=signer).sign_pdf(writer, output=out, bytes_reserved=reserved)
    return out.getvalue()


def update(document: bytes, change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    """An incremental update, as an attacker or an editor appends it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(document))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def verify(document: bytes, trust: Trust) -> Report:
    return verify_bytes(document, "file.pdf", trust)


def codes(report: Report) -> list[str]:
    assert report.accepted == (report.faults == ())
    return [fault.code for fault in report.faults]


def each(report: Report) -> list[list[str]]:
    return [[fault.code for fault in signature.faults] for signature in report.signatures]


def new_page_content(writer: IncrementalPdfFileWriter) -> None:
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(StreamObject(stream_data=b"1 0 0 rg 72 720 400 200 re f"))
    writer.update_container(page)


def overlay(writer: IncrementalPdfFileWriter) -> None:
    """A shadow attack of the kind *hide*: an annotation on top of the page."""
    page = writer.root["/Pages"]["/Kids"][0]
    box = ArrayObject([NumberObject(number) for number in (0, 0, 595, 842)])
    stamp = DictionaryObject({NameObject("/Type"): NameObject("/Annot"), NameObject("/Rect"): box})
    stamp[NameObject("/Subtype")] = NameObject("/Stamp")
    page["/Annots"] = ArrayObject([*page.get("/Annots", []), writer.add_object(stamp)])
    writer.update_container(page)


def replaced_catalog(writer: IncrementalPdfFileWriter) -> None:
    """A shadow attack of the kind *replace*: the catalog points to other pages."""
    old = writer.root["/Pages"]["/Kids"][0]
    content = writer.add_object(StreamObject(stream_data=b"0 1 0 rg 0 0 595 842 re f"))
    page = DictionaryObject({NameObject("/Type"): NameObject("/Page"), NameObject("/Contents"): content})
    page[NameObject("/MediaBox")] = old["/MediaBox"]
    kids = ArrayObject([writer.add_object(page)])
    pages = DictionaryObject({NameObject("/Type"): NameObject("/Pages"), NameObject("/Kids"): kids})
    pages[NameObject("/Count")] = NumberObject(1)
    writer.root["/Pages"] = writer.add_object(pages)
    writer.update_root()


@pytest.mark.parametrize("subfilter", [PADES, ADOBE])
@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_it_accepts_what_pyhanko_signed(
    document: bytes, resident: Holder, jpki_trust: Trust, subfilter: SigSeedSubFilter, digest: str
) -> None:
    report = verify(foreign_sign(document, resident, subfilter=subfilter, digest=digest), jpki_trust)
    assert codes(report) == []
    (signature,) = report.signatures
    assert (signature.form, signature.label, signature.hash) == (Form.PDF, "A", digest)


def test_it_accepts_what_it_signed_and_a_second_signature(
    document: bytes, resident: Holder, sign_ca: Generation, jpki_trust: Trust
) -> None:
    signed = sign_pdf(document, resident.certificate, resident.sign_digest)
    assert codes(verify(signed, jpki_trust)) == []
    twice = foreign_sign(signed, sign_ca.issue(), field="B")
    report = verify(twice, jpki_trust)
    assert [signature.label for signature in report.signatures] == ["Tegata", "B"]
    assert each(report) == [[], []]


def test_it_accepts_a_signature_that_openssl_made(
    tmp_path: Path, document: bytes, resident: Holder, jpki_trust: Trust
) -> None:
    report = verify(openssl_signed(tmp_path, document, resident), jpki_trust)
    assert codes(report) == []
    assert report.signatures[0].hash == "sha256"


def openssl_signed(folder: Path, document: bytes, holder: Holder, *options: str, unsigned: int = 0) -> bytes:
    """pyHanko leaves the hole; OpenSSL fills it over the bytes of the ByteRange, from which ``unsigned``
    bytes behind the hole are left out too."""
    signed = foreign_sign(document, holder, subfilter=ADOBE, reserved=24000)
    start, end = hole(signed)
    old = signed[signed.index(b"/ByteRange") :].split(b"]")[0]
    numbers = f"0 {start} {end + unsigned} {len(signed) - end - unsigned}"
    signed = signed.replace(old, f"/ByteRange [{numbers}".encode().ljust(len(old)))
    write_pair(folder, holder, "signer")
    (folder / "data").write_bytes(signed[:start] + signed[end + unsigned :])
    command = ["openssl", "cms", "-sign", "-binary", "-in", "data", "-outform", "DER", "-out", "sig"]
    command += ["-signer", "signer.pem", "-inkey", "signer.key", *options]
    subprocess.run(command, cwd=folder, check=True)
    filled = (folder / "sig").read_bytes().hex().encode().ljust(end - start - 2, b"0")
    assert len(filled) == end - start - 2
    return signed[: start + 1] + filled + signed[end - 1 :]


def hole(signed: bytes, index: int = 0) -> tuple[int, int]:
    signature = PdfFileReader(io.BytesIO(signed)).embedded_signatures[index]
    _, start, end, _ = (int(number) for number in signature.byte_range)
    return start, end


def test_certificates_that_are_refused(
    document: bytes,
    sign_ca: Generation,
    older_ca: Generation,
    visitor: Holder,
    resident: Holder,
    roots: Anchors,
    jpki_trust: Trust,
    tmp_path: Path,
) -> None:
    def check(holder: Holder, trust: Trust = jpki_trust) -> list[str]:
        return codes(verify(foreign_sign(document, holder), trust))

    assert check(sign_ca.issue(start=-20 * DAY, end=-DAY)) == ["verify.expired"]
    assert check(visitor) == ["verify.usage"]
    assert check(older_ca.issue()) == ["verify.other_ca"]
    assert check(Generation("auth", 4).issue(kind="sign")) == ["verify.other_ca"]
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident))
    assert check(resident, Trust(roots, CrlFolder(tmp_path))) == ["verify.revoked"]
    assert check(resident, Trust(Anchors(), revocation_needed=False)) == ["verify.not_anchored"]


def test_altered_content(document: bytes, resident: Holder, jpki_trust: Trust) -> None:
    signed = bytearray(foreign_sign(document, resident))
    place = signed.index(b"72 720")
    signed[place] ^= 1
    assert codes(verify(bytes(signed), jpki_trust)) == ["verify.content"]


@pytest.mark.parametrize("change", [new_page_content, overlay, replaced_catalog])
def test_shadow_attacks(
    change: Callable[[IncrementalPdfFileWriter], None],
    document: bytes,
    resident: Holder,
    sign_ca: Generation,
    jpki_trust: Trust,
) -> None:
    attacked = update(foreign_sign(document, resident), change)
    assert codes(verify(attacked, jpki_trust)) == ["verify.extended"]
    # The attacker signs it once more: the second signature is fine, the file is not.
    covered = foreign_sign(attacked, sign_ca.issue(), field="B")
    assert each(verify(covered, jpki_trust)) == [["verify.extended"], []]


def test_bytes_after_the_signature(document: bytes, resident: Holder, jpki_trust: Trust) -> None:
    signed = foreign_sign(document, resident)
    for more in (b"\n", b"\0" * 50):
        assert codes(verify(signed + more, jpki_trust)) == ["verify.extended"]
    with pytest.raises(InputError):
        verify(signed + b"% a remark\n%%EOF\n", jpki_trust)
    harmless = update(signed, lambda writer: writer.set_info(DictionaryObject()))
    assert codes(verify(harmless, jpki_trust)) == ["verify.extended"]


def test_two_signatures_of_which_one_is_bad(
    document: bytes, resident: Holder, sign_ca: Generation, older_ca: Generation, jpki_trust: Trust
) -> None:
    signed = foreign_sign(document, resident)
    expired = foreign_sign(signed, sign_ca.issue(start=-20 * DAY, end=-DAY), field="B")
    report = verify(expired, jpki_trust)
    assert each(report) == [[], ["verify.expired"]]
    assert not report.accepted and report.exit_code == 231
    first = foreign_sign(foreign_sign(document, older_ca.issue()), resident, field="B")
    assert each(verify(first, jpki_trust)) == [["verify.other_ca"], []]
    spoilt = bytearray(foreign_sign(signed, sign_ca.issue(), field="B"))
    start, end = hole(bytes(spoilt))
    content = cms.ContentInfo.load(bytes.fromhex(spoilt[start + 1 : end - 1].decode()))
    place = start + 1 + 2 * content.dump().index(content["content"]["signer_infos"][0]["signature"].native)
    spoilt[place : place + 2] = b"00" if spoilt[place : place + 2] != b"00" else b"11"
    # The second signature covers the first one's bytes, so it falls with it.
    assert each(verify(bytes(spoilt), jpki_trust)) == [["verify.signature"], ["verify.content"]]


def test_an_altered_byte_range(document: bytes, resident: Holder, jpki_trust: Trust) -> None:
    signed = foreign_sign(document, resident)
    start, end = hole(signed)
    old = signed[signed.index(b"/ByteRange") :].split(b"]")[0] + b"]"
    size = len(signed)
    for numbers in (
        (0, start - 10, end, size - end),
        (0, start, end + 10, size - end - 10),
        (0, start, end, size - end - 1),
        (1, start - 1, end, size - end),
        (0, start, end, size),
        (0, end, start, size - start),
        (0, start, end, -1),
        (0, 0, 0, size),
    ):
        new = f"/ByteRange [{' '.join(map(str, numbers))}".encode().ljust(len(old) - 1) + b"]"
        changed = verify(signed.replace(old, new), jpki_trust)
        assert codes(changed)[0] in ("verify.extended", "verify.structure", "verify.content"), numbers
    assert not verify(signed.replace(b"/ByteRange", b"/Byterange"), jpki_trust).accepted


def test_a_hole_that_hides_more_than_the_signature(
    tmp_path: Path, document: bytes, resident: Holder, jpki_trust: Trust
) -> None:
    """The signer's own range leaves out a part of the file: whatever stands there is not signed."""
    signed = openssl_signed(tmp_path, document, resident, unsigned=30)
    assert codes(verify(signed, jpki_trust)) == ["verify.extended"]


def test_the_bridge_refuses_the_same(
    tmp_path: Path, document: bytes, resident: Holder, jpki_trust: Trust
) -> None:
    assert verify_pdf(openssl_signed(tmp_path, document, resident), jpki_trust) == [resident.certificate]
    for bad in (
        openssl_signed(tmp_path, document, resident, unsigned=30),
        openssl_signed(tmp_path, document, resident, "-md", "sha1"),
        update(foreign_sign(document, resident), overlay),
    ):
        with pytest.raises(RequestError) as caught:
            verify_pdf(bad, jpki_trust)
        assert caught.value.code == "signature.invalid"


def test_something_behind_the_cms(document: bytes, resident: Holder, jpki_trust: Trust) -> None:
    signed = bytearray(foreign_sign(document, resident))
    _, end = hole(bytes(signed))
    signed[end - 9 : end - 1] = b"DEADBEEF"
    assert codes(verify(bytes(signed), jpki_trust)) == ["verify.structure"]


def test_broken_hashes_and_two_signer_infos(
    tmp_path: Path, document: bytes, resident: Holder, sign_ca: Generation, jpki_trust: Trust
) -> None:
    for digest in ("sha1", "md5"):
        made = openssl_signed(tmp_path, document, resident, "-md", digest)
        assert codes(verify(made, jpki_trust)) == ["verify.weak"]
    write_pair(tmp_path, sign_ca.issue(), "b")
    two = openssl_signed(tmp_path, document, resident, "-signer", "b.pem", "-inkey", "b.key")
    assert codes(verify(two, jpki_trust)) == ["verify.structure"]


def test_a_form_filled_in_after_a_signature(
    document: bytes, resident: Holder, sign_ca: Generation, jpki_trust: Trust
) -> None:
    """Only a signature that allows it (DocMDP) stays good; a signature that follows is always allowed."""

    def add_form(writer: IncrementalPdfFileWriter) -> None:
        field = DictionaryObject(
            {NameObject("/FT"): NameObject("/Tx"), NameObject("/V"): TextStringObject("")}
        )
        field[NameObject("/T")] = TextStringObject("amount")
        form = DictionaryObject({NameObject("/Fields"): ArrayObject([writer.add_object(field)])})
        writer.root["/AcroForm"] = writer.add_object(form)
        writer.update_root()

    def fill(writer: IncrementalPdfFileWriter) -> None:
        field = writer.root["/AcroForm"]["/Fields"][0]
        field[NameObject("/V")] = TextStringObject("1000000")
        writer.update_container(field)

    form = update(document, add_form)
    filled = update(foreign_sign(form, resident), fill)
    signed = foreign_sign(filled, sign_ca.issue(), field="B")
    assert each(verify(signed, jpki_trust)) == [["verify.extended"], []]
    certified = update(foreign_sign(form, resident, certify=MDPPerm.FILL_FORMS), fill)
    signed = foreign_sign(certified, sign_ca.issue(), field="B")
    assert each(verify(signed, jpki_trust)) == [[], []]


@pytest.mark.parametrize(
    "junk", [b"%PDF-", b"%PDF-1.7\n", b"%PDF-1.7\nxref\ntrailer<<>>\nstartxref\n9\n%%EOF"]
)
def test_what_is_no_pdf(junk: bytes, document: bytes, jpki_trust: Trust) -> None:
    for bytes_ in (junk, document):
        with pytest.raises(InputError) as caught:
            verify(bytes_, jpki_trust)
        assert caught.value.code == "verify.unreadable"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_document_is_refused_and_never_breaks_the_program(
    data: st.DataObject, document: bytes, resident: Holder, jpki_trust: Trust, cache: dict[str, bytes]
) -> None:
    if "signed" not in cache:
        cache["signed"] = foreign_sign(document, resident)
    signed = bytearray(cache["signed"])
    place = data.draw(st.integers(0, len(signed) - 1))
    cut = data.draw(st.integers(0, 40))
    signed[place : place + cut] = data.draw(st.binary(min_size=1, max_size=40))
    assume(bytes(signed).lower() != cache["signed"].lower())  # hexadecimal digits have two cases
    try:
        report = verify(bytes(signed), jpki_trust)
    except InputError as error:
        report = None
        code = error.code
    assert (report is None and code == "verify.unreadable") or not (report and report.accepted)


@pytest.fixture(scope="session")
def cache() -> dict[str, bytes]:
    return {}


def crowded(count: int, signature: bytes, name: bytes = b"f") -> bytes:
    """A PDF with so many signature fields, which share one value."""
    fields = b" ".join(b"%d 0 R" % (number + 4) for number in range(count))
    kind = b"<</Type/Sig/SubFilter/ETSI.CAdES.detached/ByteRange[0 1 2 3]/Contents<"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</SigFlags 3/Fields[" + fields + b"]>>>>",
        b"<</Type/Pages/Kids[]/Count 0>>",
        kind + signature.hex().encode() + b">>>",
        *(b"<</FT/Sig/T(%s%d)/V 3 0 R>>" % (name, number) for number in range(count)),
    ]
    out, places = bytearray(b"%PDF-1.7\n"), bytearray(b"0000000000 65535 f \n")
    for number, content in enumerate(objects, 1):
        places += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj" % number + content + b"endobj\n"
    table = b"xref\n0 %d\n" % (len(objects) + 1) + places
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return bytes(out + table + trailer)


def test_a_crowd_of_signatures_is_refused_as_a_whole(jpki_trust: Trust, resident: Holder) -> None:
    one = sign_detached(b"data", resident.certificate, resident.sign_digest)
    report = verify_bytes(crowded(1000, one), "crowd.pdf", jpki_trust)
    assert [fault.code for fault in report.faults] == ["verify.structure"]
    assert "1000" in str(report.faults[0].details["what"])


def test_the_name_of_a_field_does_not_steer_the_terminal(jpki_trust: Trust, resident: Holder) -> None:
    one = sign_detached(b"data", resident.certificate, resident.sign_digest)
    report = verify_bytes(crowded(1, one, b"\x1b[2J\nAccepted."), "named.pdf", jpki_trust)
    assert [signature.label for signature in report.signatures] == ["?[2J?Accepted.0"]
    assert not report.accepted
