"""The check-in desk: nothing readable stays behind, OpenSSL reads it with the organisation's key."""

import json
import stat
import subprocess
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tegata.apdu import InputError
from tegata.applets.mynumber_text.model import Attributes
from tegata.reader_bridge.counter.checkin import CheckinDesk

PERSON = Attributes("試験　花子", "東京都千代田区霞が関２丁目１番３号", date(1990, 4, 1), "2")


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("organisation")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
            "-days",
            "30",
            "-subj",
            "/CN=Shelter",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def desk(organisation: Path, tmp_path: Path) -> CheckinDesk:
    return CheckinDesk.create(
        tmp_path / "shelter", "霞が関小学校", (organisation / "certificate.pem").read_bytes()
    )


def test_openssl_reads_what_was_exported(desk: CheckinDesk, organisation: Path, tmp_path: Path) -> None:
    assert desk.register(PERSON).number == 1
    assert desk.register(replace(PERSON, name="試験　太郎", sex="1")).number == 2
    assert desk.export(tmp_path / "records.zip") == 2
    assert stat.S_IMODE((tmp_path / "records.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(tmp_path / "records.zip") as archive:
        (tmp_path / "1.p7m").write_bytes(archive.read("0001.p7m"))
    plain = subprocess.run(
        [
            "openssl",
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-in",
            tmp_path / "1.p7m",
            "-recip",
            organisation / "certificate.pem",
            "-inkey",
            organisation / "key.pem",
        ],
        check=True,
        capture_output=True,
    ).stdout
    record = json.loads(plain)
    assert (record["name"], record["birth"], record["sex"]) == (PERSON.name, "1990-04-01", "2")
    assert record["event"] == "霞が関小学校"


def test_nothing_readable_lies_on_the_desk(desk: CheckinDesk) -> None:
    desk.register(PERSON)
    desk.close()
    for path in desk.folder.rglob("*"):
        content = path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        for fragment in ("花子", "霞が関２", "19900401", "1990-04-01"):
            assert fragment.encode() not in content, path


def test_a_second_visit_is_noticed_and_not_stored(desk: CheckinDesk) -> None:
    first = desk.register(PERSON)
    again = desk.register(replace(PERSON, name="試験 花子"))  # an ordinary space in place of the wide one
    assert first.again is None
    assert again.again is not None
    assert again.number == first.number
    assert desk.count == 1


def test_two_events_cannot_be_linked(desk: CheckinDesk, organisation: Path, tmp_path: Path) -> None:
    other = CheckinDesk.create(tmp_path / "other", "other", (organisation / "certificate.pem").read_bytes())
    assert desk._tag(PERSON) != other._tag(PERSON)


def test_undo_takes_back_the_last_one_only(desk: CheckinDesk) -> None:
    assert desk.undo() is None
    desk.register(PERSON)
    desk.register(replace(PERSON, name="試験　太郎"))
    assert desk.undo() == 2
    assert desk.count == 1
    assert desk.register(replace(PERSON, name="試験　太郎")).again is None


def test_after_purge_nothing_is_left(desk: CheckinDesk) -> None:
    desk.register(PERSON)
    assert desk.purge() == 1
    assert sorted(path.name for path in desk.folder.iterdir()) == ["label", "recipient.pem"]
    with pytest.raises(InputError) as caught:
        CheckinDesk(desk.folder)
    assert caught.value.code == "checkin.missing"


def test_records_survive_the_desk_being_closed(desk: CheckinDesk) -> None:
    desk.register(PERSON)
    desk.close()
    again = CheckinDesk(desk.folder)
    assert again.count == 1
    assert again.register(PERSON).again is not None


@pytest.mark.parametrize(
    "raw", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x00"]
)
def test_a_recipient_that_is_none(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        CheckinDesk.create(tmp_path / "event", "x", raw)
    assert caught.value.code == "checkin.recipient"
    assert not (tmp_path / "event").exists()


def test_an_event_is_never_overwritten(desk: CheckinDesk, organisation: Path) -> None:
    with pytest.raises(InputError) as caught:
        CheckinDesk.create(desk.folder, "x", (organisation / "certificate.pem").read_bytes())
    assert caught.value.code == "checkin.exists"
