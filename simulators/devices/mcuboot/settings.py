"""The settings of the simulated reader: what there is, what values it takes, and that they outlive power."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .flash import Flash
from .store import Store

__all__ = ["BadValue", "Settings", "UnknownSetting"]

_KEY = 1
_LABEL = 32


class UnknownSetting(Exception):
    """The reader has no such setting."""


class BadValue(Exception):
    """The setting does not take that value."""


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value.encode()) <= _LABEL


def _is_percent(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 100


def _is_switch(value: Any) -> bool:
    return type(value) is bool


def _are_kinds(value: Any) -> bool:
    return (
        isinstance(value, list) and set(map(repr, value)) <= {"'A'", "'B'"} and len(set(value)) == len(value)
    )


_KNOWN: Mapping[str, tuple[Any, Callable[[Any], bool]]] = {
    "buzzer": (True, _is_switch),
    "card_types": (["A", "B"], _are_kinds),
    "label": ("", _is_label),
    "lamp": (80, _is_percent),
}


class Settings:
    """All settings, with their defaults until they are put."""

    def __init__(self, flash: Flash) -> None:
        self._store = Store(flash, flash.geometry.settings)

    def read(self) -> dict[str, Any]:
        """Name and value of every setting."""
        kept = json.loads(self._store.get(_KEY) or b"{}")
        return {name: kept.get(name, default) for name, (default, _) in _KNOWN.items()}

    def write(self, values: Mapping[Any, Any]) -> None:
        """Put these, all or none. Raises UnknownSetting, BadValue, PowerLost."""
        for name, value in values.items():
            if name not in _KNOWN:
                raise UnknownSetting(str(name))
            if not _KNOWN[name][1](value):
                raise BadValue(name)
        merged = {**self.read(), **values}
        changed = {name: value for name, value in merged.items() if value != _KNOWN[name][0]}
        self._store.put(_KEY, json.dumps(changed, separators=(",", ":"), ensure_ascii=False).encode())
