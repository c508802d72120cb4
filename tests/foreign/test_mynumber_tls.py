"""TLS 1.2 client authentication with a My Number Card: curl and OpenSSL's engine, GnuTLS, NSS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .harness import Namespace, opensc_module
from .mynumber import (
    AUTHENTICATION,
    AUTHENTICATION_CA,
    SIGNATURE,
    KeyOfCard,
    TlsServer,
    out,
    tls_server,
    typed,
)

pytestmark = pytest.mark.foreign

TLS_1_2, TLS_1_3 = "-tls1_2", "-tls1_3"
ONLY_SHA256 = ("-client_sigalgs", "RSA+SHA256")
"""What curl needs: OpenSSL prefers PSS, which OpenSC's driver cannot do."""


@pytest.fixture
def authority(my_number_reader: Namespace, tmp_path: Path) -> Path:
    """The authority of the authentication certificate, as a server's administrator has it."""
    path = tmp_path / "authority.pem"
    path.write_text(out(my_number_reader, "pkcs15-tool", "--read-certificate", AUTHENTICATION_CA))
    return path


@pytest.fixture
def nss(my_number_reader: Namespace, tmp_path: Path) -> str:
    """A database of NSS that knows OpenSC's module."""
    folder = tmp_path / "nss"
    folder.mkdir()
    database = f"sql:{folder}"
    out(my_number_reader, "certutil", "-N", "-d", database, "--empty-password")
    add = ["-force", "-add", "opensc", "-libfile", opensc_module()]
    out(my_number_reader, "modutil", "-dbdir", database, *add)
    return database


def password_file(key: KeyOfCard, folder: Path) -> str:
    path = folder / f"password-{key.id}"
    path.write_text(f"{key.pin}\n")
    return str(path)


def test_curl_authenticates(my_number_reader: Namespace, tmp_path: Path, authority: Path) -> None:
    with tls_server(my_number_reader, tmp_path, authority, TLS_1_2, *ONLY_SHA256) as server:
        page = out(
            my_number_reader,
            *["curl", "--silent", "--show-error", "--cacert", str(server.certificate)],
            *["--engine", "pkcs11", "--cert-type", "ENG", "--cert", f"{AUTHENTICATION.url};type=cert"],
            *["--key-type", "ENG", "--key", f"{AUTHENTICATION.url};type=private;pin-value=1234"],
            f"https://localhost:{server.port}/",
            PKCS11_MODULE_PATH=opensc_module(),
        )
        log = server.log.read_text()
    for line in (
        "New, TLSv1.2,",
        "Peer signing digest: SHA256",
        "Peer signature type: RSA\n",
        "Verify return code: 0 (ok)",
        "OU=JPKI for user authentication",
    ):
        assert line in page
    assert "depth=0 C = JP, CN = " in log
    assert "error" not in log


def test_curl_without_the_card_is_refused(
    my_number_reader: Namespace, tmp_path: Path, authority: Path
) -> None:
    with tls_server(my_number_reader, tmp_path, authority, TLS_1_2, *ONLY_SHA256) as server:
        url = f"https://localhost:{server.port}/"
        done = my_number_reader.run(["curl", "--silent", "--cacert", str(server.certificate), url])
        assert done.returncode != 0
        assert "peer did not return a certificate" in server.log.read_text()


def test_gnutls_cli_authenticates(my_number_reader: Namespace, tmp_path: Path, authority: Path) -> None:
    with tls_server(my_number_reader, tmp_path, authority, TLS_1_2, *ONLY_SHA256) as server:
        client = ["gnutls-cli", "--provider", opensc_module(), "--x509cafile", str(server.certificate)]
        certificate = ["--x509certfile", f"{AUTHENTICATION.url};type=cert"]
        key = ["--x509keyfile", f"{AUTHENTICATION.url};type=private"]
        ask = typed("GET / HTTP/1.0", [*client, *certificate, *key, "--port", server.port, "localhost"])
        page = out(my_number_reader, *ask, GNUTLS_PIN=AUTHENTICATION.pin)
        log = server.log.read_text()
    assert "- Description: (TLS1.2-X.509)" in page
    assert "- Successfully sent 1 certificate(s) to server." in page
    assert "depth=0 C = JP, CN = " in log
    assert "error" not in log


def test_modutil_shows_both_tokens(my_number_reader: Namespace, nss: str) -> None:
    """Its exit code complains of the empty reader beside ours."""
    listing = my_number_reader.run(["modutil", "-dbdir", nss, "-list", "opensc"]).stdout
    for key in (AUTHENTICATION, SIGNATURE):
        assert f"Token Name: {key.token}" in listing
    assert listing.count("Login Type: Login required") == 2


@pytest.mark.parametrize("key", [AUTHENTICATION, SIGNATURE], ids=["authentication", "signature"])
def test_certutil_finds_certificate_and_key(
    my_number_reader: Namespace, tmp_path: Path, nss: str, key: KeyOfCard
) -> None:
    """``u``: a certificate whose private key is there."""
    where = ["-d", nss, "-h", key.token, "-f", password_file(key, tmp_path)]
    trust = {
        name: line.split()[-1]
        for line in out(my_number_reader, "certutil", "-L", *where).splitlines()
        if (name := line.rpartition(" ")[0].strip()).startswith(key.token)
    }
    assert trust[f"{key.token}:{key.label} Certificate"] == "u,u,u"
    assert f"rsa      {key.id} " in out(my_number_reader, "certutil", "-K", *where)


def test_tstclnt_authenticates(
    my_number_reader: Namespace, tmp_path: Path, authority: Path, nss: str
) -> None:
    """NSS is what Firefox authenticates with. It leaves PSS aside by itself."""
    with tls_server(my_number_reader, tmp_path, authority, TLS_1_2) as server:
        done = tstclnt(my_number_reader, server, nss)
        log = server.log.read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "depth=0 C = JP, CN = " in log
    assert "error" not in log


def test_tls_1_3_finds_no_usable_certificate(
    my_number_reader: Namespace, tmp_path: Path, authority: Path, nss: str
) -> None:
    """TLS 1.3 wants PSS: the limit of OpenSC's driver, shown."""
    with tls_server(my_number_reader, tmp_path, authority, TLS_1_3) as server:
        done = tstclnt(my_number_reader, server, nss)
        assert "Failed to load a suitable client certificate" in done.stdout + done.stderr
        assert "peer did not return a certificate" in server.log.read_text()


def tstclnt(ns: Namespace, server: TlsServer, nss: str) -> subprocess.CompletedProcess[str]:
    """Handshake and goodbye, with the authentication key."""
    trust = ["certutil", "-A", "-d", nss, "-n", "server", "-t", "C,,", "-i", str(server.certificate)]
    out(ns, *trust)
    name = f"{AUTHENTICATION.token}:{AUTHENTICATION.label} Certificate"
    connect = ["tstclnt", "-4", "-Q", "-h", "localhost", "-p", server.port, "-V", "tls1.2:tls1.3"]
    return ns.run([*connect, "-d", nss, "-n", name, "-w", AUTHENTICATION.pin])
