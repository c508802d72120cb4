"""The lines on which simulated readers live; readers that are shared live on the same ones."""

from ...reader_bridge.share.line import PtyLine, TcpLine

__all__ = ["PtyLine", "TcpLine"]
