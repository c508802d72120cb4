"""The text application (券面事項入力補助 AP) of the My Number Card: number and four attributes."""

from .model import Attributes

__all__ = ["Attributes"]
