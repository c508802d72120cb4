"""Asking a reader itself, past any card: SCardControl (PC/SC part 10) and SCardGetAttrib (part 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...apdu.errors import Words
from .pcsc_features import (
    GET_FEATURE_REQUEST,
    Feature,
    Properties,
    parse_features,
    parse_pin_properties,
    parse_properties,
)
from .winscard import Context

__all__ = ["Abilities", "abilities", "attribute", "direct"]

ATTRIBUTE_MAX = 256


@dataclass(frozen=True, slots=True)
class Abilities:
    """The features of a reader (tag to control code) and its properties."""

    features: Mapping[int, int] = field(default_factory=dict)
    properties: Properties = field(default_factory=Properties)


@contextmanager
def direct(context: Context, reader: str) -> Iterator[int]:
    """A handle to the reader, with or without a card in it; no card is powered, reset or spoken to.

    Raises ReaderError ``reader.busy`` when another program has the reader for itself.
    """
    api = context.api
    result, handle, _ = api.SCardConnect(context.handle, reader, api.SCARD_SHARE_DIRECT, 0)
    context.check(result, reader, Words("connecting", "接続"))
    try:
        yield handle
    finally:
        api.SCardDisconnect(handle, api.SCARD_LEAVE_CARD)


def abilities(api: Any, handle: int) -> Abilities:
    """What the reader behind ``handle`` can do. One that does not answer can do nothing beyond APDUs."""
    features = parse_features(_control(api, handle, api.SCARD_CTL_CODE(GET_FEATURE_REQUEST)))
    if Feature.GET_TLV_PROPERTIES in features:
        properties = parse_properties(_control(api, handle, features[Feature.GET_TLV_PROPERTIES]))
    elif Feature.IFD_PIN_PROPERTIES in features:
        properties = parse_pin_properties(_control(api, handle, features[Feature.IFD_PIN_PROPERTIES]))
    else:
        properties = Properties()
    return Abilities(features, properties)


def attribute(api: Any, handle: int, name: str) -> bytes:
    """An attribute of the reader by its name in ``winscard.h``; empty when it has none."""
    result, value = api.SCardGetAttrib(handle, getattr(api, name))
    return bytes(value)[:ATTRIBUTE_MAX] if result == api.SCARD_S_SUCCESS else b""


def _control(api: Any, handle: int, code: int) -> bytes:
    result, answer = api.SCardControl(handle, code, [])
    return bytes(value & 0xFF for value in answer) if result == api.SCARD_S_SUCCESS else b""
