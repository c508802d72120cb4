"""Persona files that come with tegata: one a preset, and ``example.toml`` with every entry explained."""

from __future__ import annotations

from importlib.resources import files

__all__ = ["text"]


def text(name: str) -> str:
    """The persona file ``NAME.toml`` of this package."""
    return (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")
