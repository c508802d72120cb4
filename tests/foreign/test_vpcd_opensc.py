"""OpenSC through a real pcscd and the vpcd driver: it takes our card for a My Number Card and signs."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Namespace, opensc_module, wait_until

pytestmark = pytest.mark.foreign

SIGN_PIN = ("--verify-pin", "--auth-id", "02", "--pin", "ABC123")
KEYS = [
    pytest.param("0", "1234", "01", ("--read-certificate", "01"), id="auth"),
    pytest.param("1", "ABC123", "02", ("--read-certificate", "02", *SIGN_PIN), id="sign"),
]
"""Slot, PIN and id of a key, and how pkcs15-tool reads its certificate."""

SPEED = """
import json, time
from smartcard.System import readers
connection = readers()[0].createConnection(); connection.connect()
times = []
for _ in range(200):
    begin = time.perf_counter()
    data, sw1, sw2 = connection.transmit([0, 0xA4, 4, 0x0C, 10, 0xD3, 0x92, 0xF0, 0, 0x26, 1, 0, 0, 0, 1])
    times.append(time.perf_counter() - begin)
    assert (sw1, sw2) == (0x90, 0)
print(json.dumps(times))
"""


@pytest.fixture(scope="module")
def served(ns: Namespace, my_number_card: Path) -> Iterator[subprocess.Popen[str]]:
    with ns.serve(my_number_card) as process:
        yield process


def out(ns: Namespace, *program: str) -> str:
    done = ns.run(program)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("served")
class TestServed:
    def test_opensc_knows_the_card(self, ns: Namespace) -> None:
        assert out(ns, "opensc-tool", "-n").strip() == "jpki"

    def test_pkcs15_listing(self, ns: Namespace) -> None:
        listing = out(ns, "pkcs15-tool", "-D")
        for line in (
            "PIN [User Authentication PIN]",
            "Private RSA Key [Digital Signature Key]",
            "X.509 Certificate [User Authentication Certificate]",
            "X.509 Certificate [Digital Signature Certificate CA]",
        ):
            assert line in listing

    def test_certificates(self, ns: Namespace, tmp_path: Path) -> None:
        free = tmp_path / "auth.pem"
        free.write_text(out(ns, "pkcs15-tool", "--read-certificate", "01"))
        assert "O = JPKI-TEST" in out(ns, "openssl", "x509", "-in", str(free), "-noout", "-issuer")
        locked = ns.run(["pkcs15-tool", "--read-certificate", "02"])
        assert "BEGIN CERTIFICATE" not in locked.stdout
        assert "BEGIN CERTIFICATE" in out(ns, "pkcs15-tool", "--read-certificate", "02", *SIGN_PIN)

    def test_pkcs11_listing(self, ns: Namespace) -> None:
        listing = out(ns, "pkcs11-tool", "--module", opensc_module(), "-L", "-O")
        assert "token label        : JPKI (User Authentication PIN)" in listing
        assert "pin min/max        : 6/16" in listing
        assert "label:      User Authentication Certificate\n" in listing

    @pytest.mark.parametrize(("slot", "pin", "key", "certificate"), KEYS)
    def test_signatures(
        self, ns: Namespace, tmp_path: Path, slot: str, pin: str, key: str, certificate: tuple[str, ...]
    ) -> None:
        data, signature = tmp_path / "data", tmp_path / "signature"
        data.write_bytes(b"to be signed")
        tool = ["pkcs11-tool", "--module", opensc_module(), "--slot-index", slot, "--login", "--pin", pin]
        what = ["--sign", "--id", key, "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
        done = ns.run([*tool, *what])
        assert done.returncode == 0, done.stderr
        verify(tmp_path, out(ns, "pkcs15-tool", *certificate), data, signature)

    def test_a_wrong_pin_costs_one_try(self, ns: Namespace) -> None:
        login = ["pkcs11-tool", "--module", opensc_module(), "--login", "--test", "--pin"]
        assert "CKR_PIN_INCORRECT" in ns.run([*login, "9999"]).stderr
        select, query = "00A4040C0AD392F000260100000001", "00200080"
        probe = ["opensc-tool", "-s", select, "-s", "00A4020C020018", "-s", query]
        assert "SW1=0x63, SW2=0xC2" in out(ns, *probe)
        ns.run([*login, "1234"])
        assert "SW1=0x63, SW2=0xC3" in out(ns, *probe)

    def test_speed(self, ns: Namespace, record_property: pytest.RecordProperty) -> None:
        times = json.loads(out(ns, sys.executable, "-c", SPEED))
        median = statistics.median(times) * 1000
        record_property("figure", f"pcscd and vpcd: {median:.2f} ms per APDU (median of {len(times)})")
        assert median < 10  # without quick acknowledgement it is 44

    def test_removal_and_return(self, ns: Namespace, served: subprocess.Popen[str]) -> None:
        served.send_signal(signal.SIGUSR1)
        wait_until(lambda: not ns.sees_card(), "the card's going")
        served.send_signal(signal.SIGUSR2)
        wait_until(ns.sees_card, "the card's return")
        assert out(ns, "opensc-tool", "-n").strip() == "jpki"


def verify(folder: Path, pem: str, data: Path, signature: Path) -> None:
    """The signature is the certificate's, says OpenSSL."""
    certificate, public = folder / "certificate.pem", folder / "public.pem"
    certificate.write_text(pem)
    subprocess.run(
        ["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout", "-out", str(public)], check=True
    )
    command = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", str(signature), str(data)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "Verified OK\n"
