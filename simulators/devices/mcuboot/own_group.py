"""The reader's own group of SMP commands: identity, settings, self-test, find-me.

The maps are described in docs/protocols/reader-firmware.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ....reader_bridge.frames.smp import Rc, ReaderRc
from .board import Board
from .settings import BadValue, UnknownSetting
from .verify import Refused, examine

__all__ = ["ReaderFailure", "find_me", "identity", "read_settings", "self_test", "write_settings"]

_FEATURES = ["find-me", "settings", "self-test", "update"]
_LONGEST = 3600.0


class ReaderFailure(Exception):
    """An answer of this group that says no."""

    def __init__(self, rc: int) -> None:
        super().__init__(f"result {rc}")
        self.rc = rc


def identity(board: Board) -> Mapping[str, Any]:
    """Who the reader is, what runs on it, and what a new image must have."""
    return {
        "model": board.fuses.model,
        "vendor": board.fuses.vendor,
        "serial": board.fuses.serial,
        "hardware_id": board.fuses.hardware_id,
        "firmware": board.version,
        "counter": board.security_counter,
        "slot_size": board.flash.geometry.largest_image,
        "features": _FEATURES,
    }


def read_settings(board: Board) -> Mapping[str, Any]:
    return {"settings": board.settings.read()}


def write_settings(board: Board, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put some of them, all or none."""
    wanted = values.get("settings")
    if not isinstance(wanted, dict):
        raise ReaderFailure(Rc.INVALID)
    try:
        board.settings.write(wanted)
    except UnknownSetting as error:
        raise ReaderFailure(ReaderRc.UNKNOWN_SETTING) from error
    except BadValue as error:
        raise ReaderFailure(ReaderRc.BAD_VALUE) from error
    return {}


def self_test(board: Board) -> Mapping[str, Any]:
    """What the reader can find out about itself."""
    return {"findings": [_running_image(board), _other_slot(board), _settings(board)]}


def find_me(board: Board, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let the lamp shine for some seconds, up to an hour."""
    seconds = values.get("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ReaderFailure(ReaderRc.BAD_VALUE)
    if not 0 <= seconds <= _LONGEST:
        raise ReaderFailure(ReaderRc.BAD_VALUE)
    board.find_me(float(seconds))
    return {}


def _running_image(board: Board) -> Mapping[str, Any]:
    geometry = board.flash.geometry
    try:
        image = examine(board.flash.read(geometry.primary), board.fuses, largest=geometry.largest_image)
    except Refused as error:
        return _finding("image", "failed", str(error), f"動作中のイメージに問題があります: {error}")
    return _finding(
        "image",
        "passed",
        f"the running image {image.version} is whole and signed",
        f"動作中のイメージ {image.version} は完全で、署名も正しいです",
    )


def _other_slot(board: Board) -> Mapping[str, Any]:
    others = [view.image.version for view in board.slots.views() if not view.active]
    if not others:
        return _finding("slot", "skipped", "the other slot holds no image", "もう一方のスロットは空です")
    return _finding(
        "slot", "passed", f"the other slot holds {others[0]}", f"もう一方のスロットに {others[0]} があります"
    )


def _settings(board: Board) -> Mapping[str, Any]:
    count = len(board.settings.read())
    return _finding("settings", "passed", f"{count} settings are readable", f"設定 {count} 件を読み出せます")


def _finding(name: str, verdict: str, en: str, ja: str) -> Mapping[str, Any]:
    return {"name": name, "verdict": verdict, "en": en, "ja": ja}
