"""Bytes only: commands, responses, TLV, ATR, secure channels and the ports to readers and keys.

Floor 1 of the house: imports nothing but the standard library, ``cryptography`` and ``asn1crypto``.
"""

from .atr import Atr
from .card import Card, CardProfile
from .command import Command, Response, Span
from .errors import (
    CardChanged,
    CardError,
    CardRemoved,
    InputError,
    MalformedResponse,
    PinBlocked,
    PinError,
    ReaderError,
    RequestError,
    StatusError,
    TegataError,
)
from .secret import Secret
from .tlv import Tlv

__all__ = [
    "Atr",
    "Card",
    "CardChanged",
    "CardError",
    "CardProfile",
    "CardRemoved",
    "Command",
    "InputError",
    "MalformedResponse",
    "PinBlocked",
    "PinError",
    "ReaderError",
    "RequestError",
    "Response",
    "Secret",
    "Span",
    "StatusError",
    "TegataError",
    "Tlv",
]
