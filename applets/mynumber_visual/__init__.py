"""The visual application (券面事項確認 AP) of the My Number Card: what is printed on its face, signed."""

from .model import AgeRecord, CardFace, NumberImage

__all__ = ["AgeRecord", "CardFace", "NumberImage"]
