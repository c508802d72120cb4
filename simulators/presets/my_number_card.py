"""My Number Cards: of a new invented person, or of a persona.

PINs of the presets: 1234 for authentication, for the text application and for 住基, ABC123 for signing.
Certificates come from the test hierarchy of this installation (``simulators.pki``). With a seed the person
and every number are repeatable; RSA keys and times of issue are not.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...applets.free_space_id import model as free_space
from .. import personas
from ..pki import Hierarchy
from .applications import whole_card
from .blank import Memory, application, pkcs8
from .issue import issue
from .persona import Entropy, Persona, invent, parse

__all__ = ["from_persona", "my_number_card", "my_number_card_with_free_space", "shipped"]

FREE_SPACE_ISSUER = "TEGATA-DEMO"
FREE_SPACE = 5


def my_number_card(
    entropy: Entropy, *, issued: datetime | None = None, authorities: Hierarchy | None = None
) -> Memory:
    """The memory of a new card of a new person.

    ``issued``: when its certificates begin, with a time zone; six years ago makes a card whose certificates
    have ended. Without it they begin an hour ago. ``authorities``: another hierarchy than this
    installation's, which makes a card that is consistent in itself and that nobody vouches for.
    """
    return from_persona(entropy, persona=invent(entropy), issued=issued, authorities=authorities)


def from_persona(
    entropy: Entropy,
    *,
    persona: Persona,
    issued: datetime | None = None,
    authorities: Hierarchy | None = None,
) -> Memory:
    """The memory of a card of this persona; what the persona leaves open comes from ``entropy``."""
    return whole_card(issue(entropy, persona, issued, authorities))


def shipped(entropy: Entropy, *, name: str, issued: datetime | None = None) -> Memory:
    """The memory of a card of one of the personas of this package."""
    return from_persona(entropy, persona=parse(personas.text(name), Path(f"{name}.toml")), issued=issued)


def my_number_card_with_free_space(
    entropy: Entropy,
    *,
    user_id: bytes | None = None,
    issuer: str = FREE_SPACE_ISSUER,
    issued: datetime | None = None,
) -> Memory:
    """A new person's card, plus the free-space ID application with ``user_id`` (16 bytes; random when not
    given)."""
    memory = my_number_card(entropy, issued=issued)
    key = ec.derive_private_key(1 + int.from_bytes(entropy(31), "big"), ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    identity = free_space.FreeSpaceIdentity(user_id or entropy(16), issuer, point)
    return memory | application(
        free_space.AID,
        "free-space-id",
        order=FREE_SPACE,
        content={"identity": bytes(identity), "key": pkcs8(key)},
    )
