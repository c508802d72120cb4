"""``tegata mynumber sign`` and ``verify``: parse, call, print."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from ...apdu.errors import InputError, Words
from ...apdu.secret import Secret
from ...applets.jpki.certificate import parse_certificate
from ...applets.jpki.host import Jpki
from ...applets.jpki.model import JpkiKey
from ...simulators import pki
from ..counter.certificates import attribute_lines
from ..counter.holder import Place, unlocked
from ..counter.terminal import (
    anchors_option,
    asker,
    confirm,
    json_option,
    pin_options,
    place_options,
    print_json,
    say,
    show,
    warn,
    write_private,
)
from ..counter.trust import certificate_anchors
from .anchors import NO_ANCHORS, Purpose
from .cms import sign_detached
from .pdf import check_pdf, sign_pdf
from .report import Report, SignatureReport
from .revocation import NOT_CHECKED, CrlFolder, RevocationProvider
from .revocation_http import OcspResponder, OperatorService
from .trust import Trust
from .verify import Beside, verify_bytes, verify_file

__all__ = ["sign", "verify"]

FILE = click.Path(dir_okay=False, path_type=Path)
KEYS = {"signature": JpkiKey.SIGNATURE, "authentication": JpkiKey.AUTHENTICATION}
PURPOSES = {"signature": Purpose.SIGNATURE, "authentication": Purpose.AUTHENTICATION}
ENDINGS = {"cms": ".p7s", "raw": ".sig"}
MAX_BYTES = 256 * 1024 * 1024
INSIDE = Words(
    "The signature certificate holds the holder's name, address, birth date and sex; it goes into the "
    "signature, and everybody who gets the signature can read them.",
    "署名用電子証明書には氏名、住所、生年月日、性別が記載されています。署名に含まれるため、署名を受け取った人は"
    "誰でも読むことができます。",
)
ENDED = Words(
    "Note: the certificate is not valid now; others will refuse the signature.",
    "注意: 証明書は有効期間外です。この署名は受け取った側で拒否されます。",
)


@click.command(short_help="Sign a file.")
@click.argument("file", type=FILE)
@place_options
@click.option("--key", "which", type=click.Choice(list(KEYS)), default="signature", show_default=True)
@click.option(
    "--as",
    "form",
    type=click.Choice(["pdf", "cms", "raw"]),
    help="Inside a PDF (PAdES), beside the file (CAdES), or the bare value; default: by the file.",
)
@click.option("--hash", "hash_name", type=click.Choice(["sha256", "sha384", "sha512"]), help="With --as raw.")
@click.option("--reason", help="With --as pdf: why it is signed, shown by PDF readers.")
@click.option("--output", type=FILE, help="Default: NAME-signed.pdf, FILE.p7s or FILE.sig.")
@click.option("--certificate", "save", type=FILE, help="Write the certificate here too.")
@click.option("--yes", is_flag=True, help="The holder was told what the certificate holds, and agrees.")
@pin_options
def sign(
    file: Path,
    url: str,
    timeout: float,
    trace: Path | None,
    which: str,
    form: str | None,
    hash_name: str | None,
    reason: str | None,
    output: Path | None,
    save: Path | None,
    yes: bool,
    value: str | None,
    last_try: bool,
) -> None:
    """Sign FILE with the card; the signature is verified before it is written.

    \b
      tegata mynumber sign contract.pdf --reader pcsc:
      tegata mynumber sign data.bin --reader sim:me.sim --pin ABC123 --yes

    The signature key makes a legally relevant signature. Its certificate holds name, address, birth date and
    sex, and is part of the signature: the holder is told and asked before it is read. The authentication key
    names nobody.

    Exit codes: those of "tegata mynumber", 41 and 42 the file, 43 the result is there already, 148 no
    certificate, 200 and 203 the card cannot sign so, 246 the holder was not asked, 248 not writable.
    """
    if hash_name and form != "raw":
        raise click.UsageError("--hash goes with --as raw.")
    place, key, document = Place(url, timeout, trace), KEYS[which], _read(file)
    ask = asker(place, value)
    form = form or ("pdf" if b"%PDF-" in document[:1024] else "cms")
    target = output or (
        file.with_name(f"{file.stem}-signed.pdf") if form == "pdf" else Path(f"{file}{ENDINGS[form]}")
    )
    for path in (target, save):
        if path is not None and path.exists():
            raise InputError("input.exists", path=str(path))
    if form == "pdf":
        check_pdf(document, file.name)
    if key is JpkiKey.SIGNATURE:
        confirm(INSIDE, yes=yes)
    with place.card() as card:
        jpki = Jpki(card)
        with unlocked(card, jpki, key.pin, ask, last_try=last_try):
            certificate = jpki.certificate(key)
            signed = _signed(jpki, key, certificate, form, document, file.name, hash_name, reason)
    _confirmed(signed, document, certificate, target.name, PURPOSES[which])
    if not parse_certificate(certificate).valid(datetime.now(UTC)):
        warn(ENDED)
    write_private(target, signed)
    if save is not None:
        write_private(save, certificate)
    click.echo(target)


def _signed(
    jpki: Jpki,
    key: JpkiKey,
    certificate: bytes,
    form: str,
    document: bytes,
    name: str,
    hash_name: str | None,
    reason: str | None,
) -> bytes:
    def by_card(digest: bytes) -> bytes:
        return jpki.sign_digest(key, digest, certificate=certificate)

    if form == "raw":
        return jpki.sign(key, document, hash_name, certificate=certificate)
    if form == "cms":
        return sign_detached(document, certificate, by_card)
    return sign_pdf(document, certificate, by_card, name=name, reason=reason)


def _confirmed(signed: bytes, document: bytes, certificate: bytes, name: str, purpose: Purpose) -> None:
    """Raises the fault of a signature that a verifier would not take, its certificate left aside."""
    beside = Beside(content=document, certificate=certificate, purpose=purpose)
    report = verify_bytes(signed, name, Trust(NO_ANCHORS, revocation_needed=False), beside)
    for fault in report.signatures[-1].own_faults:
        raise fault


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError("input.too_large", path=str(path), limit="256 MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error


@click.command(short_help="Verify signatures.")
@click.argument("file", type=FILE)
@click.option("--content", type=FILE, help="What was signed, for a signature beside its file.")
@click.option("--certificate", type=FILE, help="Of the signer, for a raw signature.")
@click.option("--purpose", type=click.Choice(list(PURPOSES)), default="signature", show_default=True)
@click.option("--origin", help="Of the portal, for a login token.")
@click.option("--nonce", help="Of the login, for a login token.")
@click.option("--at", metavar="TIME", help="Judge at this moment, e.g. 2026-04-01T09:00:00+09:00.")
@anchors_option
@click.option(
    "--crl-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Revocation: a folder of lists (*.crl).",
)
@click.option("--ocsp", metavar="URL", help="Revocation: an OCSP responder that you may ask.")
@click.option("--operator", metavar="URL", help="Revocation: the service of an accredited platform operator.")
@click.option("--operator-token", type=FILE, metavar="FILE", help="File with the operator's access token.")
@click.option("--personal", is_flag=True, help="Show the signer's name, address, birth date and sex.")
@json_option
def verify(
    file: Path,
    content: Path | None,
    certificate: Path | None,
    purpose: str,
    origin: str | None,
    nonce: str | None,
    at: str | None,
    anchors: tuple[str, ...],
    crl_dir: Path | None,
    ocsp: str | None,
    operator: str | None,
    operator_token: Path | None,
    personal: bool,
    as_json: bool,
) -> int:
    """Verify every signature in FILE: PDF, CMS (with --content), login token, or raw (with --certificate).

    \b
      tegata mynumber verify contract-signed.pdf --anchors sim
      tegata mynumber verify data.bin.p7s --content data.bin --anchors FOLDER --crl-dir LISTS

    All faults are reported. In Japan revocation data of the JPKI go only to registered verifiers and to those
    who work through an accredited platform operator: without one of the three sources "revocation not
    checked" is said plainly. Nothing is ever fetched from an address that a certificate names.

    Exit codes: 0 every signature is accepted; else that of the first fault, 226 to 240.
    """
    trust = Trust(
        certificate_anchors(anchors, pki.anchors),
        _provider(crl_dir, ocsp, operator, operator_token),
        revocation_needed=False,
    )
    report = verify_file(
        file,
        trust,
        content=content,
        certificate=certificate,
        purpose=PURPOSES[purpose],
        origin=origin,
        nonce=nonce,
        at=_moment(at),
    )
    if as_json:
        print_json(report.to_json(personal=personal))
    else:
        _print(report, personal)
    return report.exit_code


def _provider(
    crl_dir: Path | None, ocsp: str | None, operator: str | None, token: Path | None
) -> RevocationProvider | None:
    if sum(source is not None for source in (crl_dir, ocsp, operator)) > 1:
        raise click.UsageError("Give one source of revocation: --crl-dir, --ocsp or --operator.")
    if crl_dir is not None:
        return CrlFolder(crl_dir)
    if ocsp is not None:
        return OcspResponder(ocsp)
    if operator is None:
        return None
    return OperatorService(operator, _token(token) if token else None)


def _token(path: Path) -> Secret:
    raw = _read(path).strip()
    if not raw or not raw.isascii():
        what = Words("it holds no token in ASCII", "ASCII のトークンがありません")
        raise InputError("input.file", path=str(path), what=what)
    return Secret(raw)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter("a time with its zone, e.g. 2026-04-01T09:00:00+09:00", param_hint="--at")
    return moment


def _print(report: Report, personal: bool) -> None:
    for signature in report.signatures:
        show(_lines(signature, personal))
        if signature.revocation is NOT_CHECKED:
            say(NOT_CHECKED)
        for fault in signature.faults:
            click.echo(f"  {fault.sentence()} {fault.next_step()}")
    if report.accepted:
        say(Words("Accepted.", "受け入れられます。"))
    else:
        say(Words("Not accepted.", "受け入れられません。"))


def _lines(signature: SignatureReport, personal: bool) -> list[tuple[Words, object]]:
    signer = signature.signer
    holder = signer.holder if signer else None
    form = signature.form.value + (f" ({signature.label})" if signature.label else "")
    claimed = signature.claimed_at
    lines: list[tuple[Words, object]] = [
        (Words("Signature", "署名"), form),
        (Words("Hash", "ハッシュ"), signature.hash),
        (
            Words("Time, as the signer claims", "署名者の主張する時刻"),
            f"{claimed.astimezone():%Y-%m-%d %H:%M:%S %z}" if claimed else None,
        ),
        (Words("Certificate", "証明書"), Words(holder.kind.label, holder.kind.japanese) if holder else None),
        (Words("Anchor", "信頼点"), signer.anchor if signer else None),
    ]
    if personal and holder and holder.attributes:
        lines += attribute_lines(holder.attributes)
    if signature.revocation is not NOT_CHECKED:
        lines.append((Words("Revocation", "失効"), signature.revocation))
    return lines
