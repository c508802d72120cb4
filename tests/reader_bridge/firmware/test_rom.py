"""Readers whose firmware is never replaced say so in one sentence."""

from __future__ import annotations

from pathlib import Path

from tegata.simulators.devices.line import PtyLine
from tegata.simulators.devices.pn532 import Pn532

from .bench import Tegata
from .maker import Maker


def test_a_pn532_shows_its_version_and_is_left_alone(maker: Maker, tegata: Tegata, tmp_path: Path) -> None:
    with PtyLine(Pn532(), tmp_path / "board") as line:
        url = f"pn532:{line.path}"
        shown = tegata.json("info", url)
        assert (shown["model"], shown["updatable"], shown["firmware"] != "") == ("pn532", False, True)
        assert "ROM" in shown["why_not_updatable"]
        assert tegata("update", url) == 105
        assert "ROM" in tegata.err and ".." not in tegata.err
        given = ("update", url, maker.image("1.0.0"), "--confirm", "--force")
        assert tegata.error(*given) == "firmware.not_updatable"
        assert tegata("rollback", url) == 105
