"""What the tests with a My Number Card in a reader share: the names that OpenSC gives, small programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .harness import SECONDS, Namespace, opensc_module, wait_until

SELECT_JPKI = "00A4040C0AD392F000260100000001"
QUERY = "00200080"

SIGN_PDF = """
import io, sys
from pyhanko.config.pkcs11 import PKCS11SignatureConfig, TokenCriteria
from pyhanko.pdf_utils.generic import ArrayObject, NumberObject, StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, sign_pdf
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.pkcs11 import PKCS11SigningContext

module, target, token, label, pin = sys.argv[1:]
writer = PdfFileWriter()
box = ArrayObject(map(NumberObject, (0, 0, 200, 200)))
writer.insert_page(PageObject(contents=writer.add_object(StreamObject(stream_data=b"")), media_box=box))
document = io.BytesIO()
writer.write(document)
config = PKCS11SignatureConfig(
    module_path=module,
    token_criteria=TokenCriteria(label=token),
    cert_label=label + " Certificate",
    key_label=label + " Key",
    user_pin=pin,
)
metadata = PdfSignatureMetadata(field_name="Holder", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
with PKCS11SigningContext(config) as signer, open(target, "w+b") as signed:
    sign_pdf(IncrementalPdfFileWriter(document), metadata, signer=signer, output=signed)
"""


@dataclass(frozen=True)
class KeyOfCard:
    """One of the card's two keys as OpenSC shows it: each key is a token of its own."""

    slot: str
    id: str
    pin: str
    token: str
    label: str

    @property
    def url(self) -> str:
        """RFC 7512. Without the token, programs find the wrong one of the two."""
        token = self.token.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
        return f"pkcs11:token={token};id=%{self.id}"

    @property
    def read_certificate(self) -> list[str]:
        """How pkcs15-tool reads the certificate; that of the signature key needs the password."""
        password = ["--verify-pin", "--auth-id", self.id, "--pin", self.pin] if self is SIGNATURE else []
        return ["pkcs15-tool", "--read-certificate", self.id, *password]


AUTHENTICATION = KeyOfCard("0", "01", "1234", "JPKI (User Authentication PIN)", "User Authentication")
SIGNATURE = KeyOfCard("1", "02", "ABC123", "JPKI (Digital Signature PIN)", "Digital Signature")
AUTHENTICATION_CA, SIGNATURE_CA = "03", "04"


def out(ns: Namespace, *program: str, **variables: str) -> str:
    """What a program says that must end well."""
    done = ns.run(program, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pkcs11_tool(key: KeyOfCard, *arguments: str) -> list[str]:
    return ["pkcs11-tool", "--module", opensc_module(), "--slot-index", key.slot, *arguments]


def logged_in(key: KeyOfCard, *arguments: str) -> list[str]:
    return pkcs11_tool(key, "--login", "--pin", key.pin, *arguments)


def opensc_send(ns: Namespace, *commands: str) -> list[str]:
    """Send APDUs by opensc-tool; the status words."""
    options = [part for command in commands for part in ("-s", command)]
    lines = out(ns, "opensc-tool", *options).splitlines()
    answers = [line for line in lines if line.startswith("Received")]
    return [line.split("SW1=0x")[1][:2] + line.split("SW2=0x")[1][:2] for line in answers]


def certificate(ns: Namespace, key: KeyOfCard, folder: Path) -> Path:
    """The certificate of a key as pkcs15-tool reads it, in a PEM file."""
    path = folder / f"certificate-{key.id}.pem"
    path.write_text(out(ns, *key.read_certificate))
    return path


def public_key(pem: Path) -> Path:
    """The public key of the certificate in ``pem``, in a file beside it."""
    path = pem.with_suffix(".pub")
    extract = ["openssl", "x509", "-in", str(pem), "-pubkey", "-noout", "-out", str(path)]
    subprocess.run(extract, check=True)
    return path


def openssl_verifies(pem: Path, data: Path, signature: Path) -> bool:
    """Does OpenSSL, without any card, find the signature (PKCS #1 v1.5, SHA-256) to be the certificate's?"""
    verify = ["openssl", "dgst", "-sha256", "-verify", str(public_key(pem)), "-signature", str(signature)]
    done = subprocess.run([*verify, str(data)], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout == "Verified OK\n"


def typed(text: str, command: Sequence[str]) -> list[str]:
    """``command`` without a terminal, with ``text`` on its standard input."""
    return ["setsid", "--wait", "sh", "-c", f"echo '{text}' | \"$@\"", "sh", *command]


def pyhanko_signs(ns: Namespace, target: Path) -> None:
    """Write a PDF of one empty page, signed by pyHanko with the signature key, to ``target``."""
    names = [SIGNATURE.token, SIGNATURE.label, SIGNATURE.pin]
    out(ns, sys.executable, "-c", SIGN_PDF, opensc_module(), str(target), *names)


@dataclass(frozen=True)
class TlsServer:
    """``openssl s_server`` in a namespace: trusts the card's authority, wants a client certificate."""

    port: str
    certificate: Path
    log: Path


@contextmanager
def tls_server(ns: Namespace, folder: Path, authority: Path, *options: str) -> Iterator[TlsServer]:
    key, pem, log = (folder / name for name in ("server.key", "server.pem", "server.log"))
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(pem)]
    subprocess.run([*make, *names, *files], check=True, capture_output=True)
    serve = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert", str(pem), "-key", str(key)]
    demand = ["-Verify", "1", "-verify_return_error", "-CAfile", str(authority)]
    with log.open("w") as stream, _running(ns.command([*serve, *demand, *options]), stream) as process:
        wait_until(lambda: process.poll() is not None or "ACCEPT 127" in log.read_text(), "the TLS server")
        (line,) = [line for line in log.read_text().splitlines() if line.startswith("ACCEPT")]
        yield TlsServer(line.rpartition(":")[2], pem, log)


@contextmanager
def _running(command: Sequence[str], output: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
