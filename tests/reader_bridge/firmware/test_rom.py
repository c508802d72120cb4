"""Readers whose firmware is never replaced say so in one sentence."""

from __future__ import annotations

from pathlib import Path

from tegata.reader_bridge.share.gemcore import GEMPC_PINPAD
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.gemcore import GemCoreReader
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
        assert tegata.err.startswith("The firmware of") and ".." not in tegata.err


def test_a_gemcore_reader_says_why_in_one_sentence(tegata: Tegata, tmp_path: Path) -> None:
    with PtyLine(GemCoreReader(GEMPC_PINPAD, [None]), tmp_path / "pad") as line:
        for verb in ("confirm", "rollback"):
            assert tegata(verb, f"gemcore:{line.path}") == 105
            assert tegata.err.startswith("The firmware of") and ".." not in tegata.err
