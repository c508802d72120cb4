"""Short ids and extended length through a real pcscd: the five APDUs of a login, counted at the card."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tegata.apdu.trace import Dump

from .harness import Namespace
from .mynumber import out

pytestmark = pytest.mark.foreign

LOGIN = """
from tegata.apdu.card import Card
from tegata.apdu.pin import holder_session
from tegata.apdu.ports import open_reader
from tegata.apdu.secret import Secret
from tegata.applets.jpki.host import Jpki, JpkiKey
reader = open_reader("pcsc:Virtual PCD 00 00")
with holder_session(Card(reader.wait_for_card(10))) as card:
    jpki = Jpki(card)
    jpki.select()
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    print(len(jpki.certificate(JpkiKey.AUTHENTICATION)), len(jpki.sign(JpkiKey.AUTHENTICATION, b"nonce")))
card.close()
reader.close()
"""


@pytest.mark.parametrize("interface", ["contact", "contactless"])
def test_a_login_takes_five_apdus(
    ns: Namespace, my_number_card: Path, tmp_path: Path, interface: str
) -> None:
    trace = tmp_path / "trace"
    with ns.serve(my_number_card, "--interface", interface, "--trace", str(trace)):
        before = len(Dump.parse(trace.read_text()).exchanges)
        certificate, signature = map(int, out(ns, sys.executable, "-c", LOGIN).split())
    exchanges = Dump.parse(trace.read_text()).exchanges[before:]
    assert [command[:8] for command, _ in exchanges] == [
        "00A4040C",  # SELECT
        "00200098",  # VERIFY without data: tries left of EF 0018
        "00200098",  # VERIFY
        "00B08A00",  # READ BINARY of EF 000A, extended
        "802A0097",  # COMPUTE DIGITAL SIGNATURE by EF 0017
    ]
    assert exchanges[3][0] == "00B08A00000000"
    assert certificate > 1500
    assert signature == 256
