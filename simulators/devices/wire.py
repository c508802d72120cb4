"""The line's shapes, which simulated and shared readers have in common."""

from ...reader_bridge.share.wire import Direction, Firmware, Piece, Spoiler, Unplugged, Wire

__all__ = ["Direction", "Firmware", "Piece", "Spoiler", "Unplugged", "Wire"]
