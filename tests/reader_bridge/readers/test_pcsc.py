"""The PC/SC driver where no service runs; tests/foreign drives it through a real pcscd."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tegata.apdu.errors import ReaderError
from tegata.apdu.ports import open_reader
from tegata.reader_bridge.readers.pcsc import list_readers


@pytest.fixture
def _no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(tmp_path / "nobody.comm"))


@pytest.mark.usefixtures("_no_service")
@pytest.mark.parametrize("url", ["pcsc:", "pcsc:Gemalto"])
def test_without_a_service_there_is_no_reader(url: str) -> None:
    with pytest.raises(ReaderError) as error:
        open_reader(url)
    assert error.value.code == "reader.none"
    with pytest.raises(ReaderError) as error:
        list_readers()
    assert error.value.code == "reader.none"


def test_without_pyscard_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(ReaderError) as error:
        open_reader("pcsc:")
    assert error.value.code == "reader.driver"
    assert "'.[pcsc]'" in error.value.next_step("en") and "'.[pcsc]'" in error.value.next_step("ja")
