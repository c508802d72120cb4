"""Ready-made cards: ``tegata sim new PRESET FILE``.

A preset is a function that returns the non-volatile memory of a new card, given a source of entropy. It is
made by its maker: registry, files and keys are laid down here, not by commands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ...apdu.errors import InputError
from ..card.device import seeded
from ..card.journal import FileStore
from ..card.policy import MY_NUMBER_CARD, CardPolicy

__all__ = [
    "create",
    "memory",
    "names",
    "persona_memory",
    "read_quirks",
    "with_quirks",
    "write",
]

PERSONA = "my_number_card:shipped"

PRESETS: dict[str, tuple[str, str]] = {
    "company-card": (
        "company_card:company_card",
        "A blank GlobalPlatform card as its maker delivers it: packages of employee ID and entry badge "
        "loaded, SCP03 (i=70) keys 40…4F, version FF.",
    ),
    "gp-card": (
        "gp_card:gp_card",
        "A GlobalPlatform card that is empty and can do everything: SCP03 (i=70) keys 40…4F, version FF, "
        "tokens, receipts, load file signatures, counted memory.",
    ),
    "gp-full": (
        "gp_card:gp_full",
        "The same with SCP11a, b and c beside SCP03, with certified keys of an invented maker.",
    ),
    "gp-scp02": (
        "gp_card:gp_scp02",
        "As gp-card, with SCP02 (i=55) and 3DES keys 40…4F.",
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
    "my-number-card-child": (
        f"{PERSONA}:child",
        "A child under 15: no signature certificate (EF 0008 says so) and its password blocked.",
    ),
    "my-number-card-foreign-resident": (
        f"{PERSONA}:foreign-resident",
        "A foreign resident with a long name and address, some characters replaced by substitutes.",
    ),
    "my-number-card-expired": (
        f"{PERSONA}:expired",
        "A card past its expiry, its certificates too, from the first generation of roots.",
    ),
    "my-number-card-revoked": (
        f"{PERSONA}:revoked",
        "A card reported lost: both certificates revoked in the test hierarchy.",
    ),
    "my-number-card-locked": (
        f"{PERSONA}:locked",
        "A card whose signature password is locked; the other PINs work.",
    ),
    "my-number-card-moved": (
        f"{PERSONA}:moved",
        "A holder who moved: the signature certificate still names the old address and is revoked.",
    ),
    "my-number-card-without-pin": (
        f"{PERSONA}:without-pin",
        "A 顔認証 card: no PIN was ever set, no signature certificate; check number B and terminals only.",
    ),
    "my-number-card-with-licence": (
        f"{PERSONA}:with-licence",
        "A card with applications of others beside (マイナ免許証, a municipality's): opaque, invented AIDs.",
    ),
    "jpki-android": (
        f"{PERSONA}:android",
        "The JPKI token of an Android phone: JPKI alone, authentication certificate behind the PIN.",
    ),
    "jpki-iphone": (
        f"{PERSONA}:iphone",
        "The JPKI token of an iPhone: as on Android, and 80FC0000 answers.",
    ),
}
"""Name to ``module:function`` or ``module:function:persona``, and one line of help."""


def names() -> Mapping[str, str]:
    """Preset names with one line of help each."""
    return {name: text for name, (_, text) in PRESETS.items()}


def memory(preset: str, seed: int | None = None, **options: Any) -> dict[str, bytes]:
    """The memory of a new card. ``seed`` makes it repeatable; ``options`` are the preset's own
    (``user_id`` of my-number-card-with-free-space). Raises InputError ``cardfile.preset``.
    """
    if preset not in PRESETS:
        raise InputError("cardfile.preset", preset=preset, known=", ".join(PRESETS))
    module, function, *persona = PRESETS[preset][0].split(":")
    maker: Callable[..., dict[str, bytes]] = getattr(import_module(f".{module}", __package__), function)
    if persona:
        options["name"] = persona[0]
    return maker(_entropy(preset, seed), **options)


def persona_memory(file: Path, seed: int | None = None) -> dict[str, bytes]:
    """The memory of a new card of the persona in a TOML file. Raises InputError ``persona.*``."""
    from .my_number_card import from_persona  # the images and the models are slow to load
    from .persona import load

    return from_persona(_entropy("persona", seed), persona=load(file))


def read_quirks(file: Path) -> dict[str, bool | int]:
    """The switches in a JSON file: the object itself, or its member ``quirks``.

    Raises InputError ``persona.missing``, ``persona.syntax`` and ``persona.invalid``.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError("persona.missing", file=file) from error
    except (ValueError, RecursionError) as error:
        raise InputError("persona.syntax", file=file, what="not JSON either") from error
    switches = found.get("quirks", found) if isinstance(found, dict) else found
    if not isinstance(switches, dict):
        raise InputError("persona.invalid", file=file, where="quirks", what="not an object of switches")
    try:
        MY_NUMBER_CARD.with_quirks(switches)
    except ValueError as error:
        raise InputError("persona.invalid", file=file, where="quirks", what=str(error)) from error
    return dict(switches)


def with_quirks(memory: dict[str, bytes], switches: dict[str, bool | int]) -> dict[str, bytes]:
    """The same card with other switches."""
    policy = CardPolicy.from_bytes(memory["card/policy"]).with_quirks(switches)
    return memory | {"card/policy": policy.to_bytes()}


def write(path: Path, memory: dict[str, bytes]) -> None:
    """Make a new card file. Raises InputError ``cardfile.*`` for an existing file."""
    FileStore.create(path, memory).close()


def _entropy(label: str, seed: int | None) -> Callable[[int], bytes]:
    return os.urandom if seed is None else seeded(f"{label}/{seed}".encode())


def create(preset: str, path: Path, seed: int | None = None, **options: Any) -> None:
    """Make a new card file. Raises InputError for an unknown preset or an existing file."""
    write(path, memory(preset, seed, **options))
