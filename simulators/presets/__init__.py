"""Ready-made cards: ``tegata sim new PRESET FILE``.

A preset is a function that returns the non-volatile memory of a new card, given a source of entropy. It is
made by its maker: registry, files and keys are laid down here, not by commands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ...apdu.errors import InputError
from ..card.device import seeded
from ..card.journal import FileStore

__all__ = ["create", "memory", "names"]

PRESETS: dict[str, tuple[str, str]] = {
    "company-card": (
        "company_card:company_card",
        "A blank GlobalPlatform card as its maker delivers it: packages of employee ID and entry badge "
        "loaded, SCP03 (i=70) keys 40…4F, version FF.",
    ),
    "my-number-card": (
        "my_number_card:my_number_card",
        "A My Number Card of an invented person: PINs 1234 and ABC123, test certificates (O=JPKI-TEST).",
    ),
    "my-number-card-with-free-space": (
        "my_number_card:my_number_card_with_free_space",
        "The same, plus a small ID application as an issuer's system loads it. This application is our "
        "model: the real one's AID, commands and keys are not public.",
    ),
}


def names() -> Mapping[str, str]:
    """Preset names with one line of help each."""
    return {name: text for name, (_, text) in PRESETS.items()}


def memory(preset: str, seed: int | None = None, **options: Any) -> dict[str, bytes]:
    """The memory of a new card. ``seed`` makes it repeatable; ``options`` are the preset's own
    (``user_id`` of my-number-card-with-free-space). Raises InputError ``cardfile.preset``.
    """
    if preset not in PRESETS:
        raise InputError("cardfile.preset", preset=preset, known=", ".join(PRESETS))
    module, _, function = PRESETS[preset][0].partition(":")
    maker: Callable[..., dict[str, bytes]] = getattr(import_module(f".{module}", __package__), function)
    return maker(os.urandom if seed is None else seeded(f"{preset}/{seed}".encode()), **options)


def create(preset: str, path: Path, seed: int | None = None, **options: Any) -> None:
    """Make a new card file. Raises InputError for an unknown preset or an existing file."""
    FileStore.create(path, memory(preset, seed, **options)).close()
