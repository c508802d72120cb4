"""The compatibility table and version ranges."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.devices import DeviceIdentity
from tegata.apdu.errors import InputError
from tegata.reader_bridge.firmware.compatibility import Compatibility
from tegata.reader_bridge.firmware.version_range import VersionRange
from tegata.reader_bridge.frames.mcuboot import Version

TABLE = """
format = 1

[[model]]
name = "gate-reader"
update = "smp"
hardware_ids = ["gate-reader-1", "gate-reader-2"]

[[rule]]
model = "gate-reader"
installed = "<1.2"
image = ">=2.0"
reason.en = "1.x must be brought to 1.2 first"
reason.ja = "先に 1.2 に更新してください"

[[rule]]
model = "gate-reader"
image = ">=3.0"
features = ["two-slots"]
reason.en = "version 3 needs two slots"
reason.ja = "3 には二つのスロットが必要です"

[[rule]]
model = "gate-reader"
hardware_id = "gate-reader-2"
image = "==1.9.0"
reason.en = "1.9.0 was withdrawn"
reason.ja = "1.9.0 は撤回されました"

[[rule]]
model = "gate-reader"
image = ">=4.0"
host = ">=9.0"
reason.en = "version 4 needs tegata 9"
reason.ja = "4 には tegata 9 が必要です"
"""


@pytest.fixture
def table(tmp_path: Path) -> Compatibility:
    (tmp_path / "table.toml").write_text(TABLE, encoding="utf-8")
    return Compatibility.load(tmp_path / "table.toml")


def gate(firmware: str = "1.3.0", hardware: str = "gate-reader-1", *features: str) -> DeviceIdentity:
    return DeviceIdentity(
        "smp:x",
        "gate-reader",
        firmware,
        hardware_id=hardware,
        features=frozenset(features),
        updatable=True,
    )


@pytest.mark.parametrize(
    ("device", "image", "host", "reason"),
    [
        (gate("1.1.9"), "2.0.0", "1.0.0", "1.x must be brought to 1.2 first"),
        (gate("1.2.0"), "2.0.0", "1.0.0", ""),
        (gate("1.1.9"), "1.9.9", "1.0.0", ""),
        (gate(), "3.0.0", "1.0.0", "version 3 needs two slots"),
        (gate("1.3.0", "gate-reader-1", "two-slots"), "3.0.0", "1.0.0", ""),
        (gate("1.3.0", "gate-reader-2"), "1.9.0", "1.0.0", "1.9.0 was withdrawn"),
        (gate(), "1.9.0", "1.0.0", ""),
        (gate("1.3.0", "gate-reader-1", "two-slots"), "4.0.0", "8.9.9", "version 4 needs tegata 9"),
        (gate("1.3.0", "gate-reader-1", "two-slots"), "4.0.0", "9.0.0", ""),
        (gate("unknown"), "2.0.0", "1.0.0", ""),
    ],
)
def test_a_rule_speaks_where_all_its_conditions_hold(
    table: Compatibility, device: DeviceIdentity, image: str, host: str, reason: str
) -> None:
    said = table.objections(device, Version.parse(image), device.hardware_id, Version.parse(host))
    assert [str(words) for words in said] == ([reason] if reason else [])


def test_a_model_that_nobody_names_suits_only_by_hardware_id(table: Compatibility) -> None:
    stranger = DeviceIdentity("smp:x", "stranger", "1.0.0", updatable=True)
    assert table.objections(stranger, Version(2), "")
    known = DeviceIdentity("smp:x", "stranger", "1.0.0", hardware_id="s-1", updatable=True)
    assert table.objections(known, Version(2), "s-1") == []


def test_an_image_for_hardware_that_the_model_never_had_is_an_objection(table: Compatibility) -> None:
    assert table.objections(gate(hardware=""), Version(2), "other-board")


def test_a_pn532_says_that_its_firmware_is_in_rom() -> None:
    chip = DeviceIdentity("pn532:x", "pn532", "1.6")
    why = Compatibility.load().why_never(chip)
    assert why is not None
    assert "ROM" in why and "ROM" in why.ja
    assert Compatibility.load().why_never(gate()) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "format = 2",
        "format = 1\nsurprise = 1",
        'format = 1\n[[rule]]\nmodel = "x"\nimage = "1.0"\nreason = {en = "a", ja = "b"}',
        'format = 1\n[[rule]]\nmodel = "x"\nreason = {en = "a"}',
        'format = 1\n[[model]]\nname = "x"\nupdate = "none"',
        'format = 1\n[[model]]\nname = "x"\nupdate = "magic"',
        "[[",
    ],
)
def test_a_table_that_is_not_right_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        Compatibility.load(path)
    assert refused.value.code == "firmware.table"
    assert str(path) in refused.value.sentence("en")


numbers = st.integers(0, 255)
versions = st.builds(Version, numbers, numbers, numbers, numbers)


@given(versions, versions)
def test_ranges_agree_with_the_order_of_versions(one: Version, other: Version) -> None:
    assert (one in VersionRange.parse(f">={other}")) == (one >= other)
    assert (one in VersionRange.parse(f"<{other}")) == (one < other)
    assert (one in VersionRange.parse(f">{other}, !={one}")) is False
    assert one in VersionRange.parse("")


@pytest.mark.parametrize("text", ["1.0", ">=", ">=x", ">=1,<y", "~=1.0", ">=1.2.3.4.5"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        VersionRange.parse(text)
