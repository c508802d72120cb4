"""The My Number Card's hosts through a real pcscd: extended reads arrive, a session ends in a reset."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .harness import Namespace

pytestmark = pytest.mark.foreign

WALK = """
import json
from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.pin import holder_session
from tegata.apdu.ports import open_reader
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.applets.mynumber_text.host import TextApplication

class Counter:
    seen = 0
    def record(self, command, response):
        self.seen += 1

reader = open_reader("pcsc:Virtual PCD 00 00")
link = reader.wait_for_card(10)
counter = Counter()
card = Card(link, recorder=counter)
found = {}
with holder_session(card):
    jpki = Jpki(card)
    jpki.select()
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    jpki.sign(JpkiKey.AUTHENTICATION, b"message")
    found["login"], counter.seen = counter.seen, 0
    text = TextApplication(card)
    text.select()
    text.verify(Secret(b"1234"))
    found["name"] = bool(text.attributes().name)
    found["attributes"] = counter.seen
    found["genuine"] = text.check_key().verdict.value
text.select()
try:
    text.attributes()
except Exception as error:
    found["after"] = getattr(error, "code", repr(error))
link.close()
reader.close()
print(json.dumps(found))
"""


def test_the_short_way_and_the_closing_reset(ns: Namespace, my_number_card: Path) -> None:
    with ns.serve(my_number_card):
        ran = ns.run([sys.executable, "-c", WALK])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "login": 5,
        "name": True,
        "attributes": 4,
        "genuine": "consistent",
        "after": "mynumber.locked_file",
    }
