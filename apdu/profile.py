"""What the card of one connection can do: learned once, kept here, asked by the layers."""

from __future__ import annotations

from dataclasses import dataclass, field

from .atr import Atr
from .compact_tlv import Historical
from .ports import Link

__all__ = ["CardProfile"]


@dataclass(slots=True)
class CardProfile:
    """``extended`` and ``chaining`` are None until the card has told or shown it.

    ``max_command`` is the longest whole command APDU of the link in bytes. ``sfi`` says whether READ BINARY
    with a short EF identifier works, ``reference_by_sfi`` whether VERIFY and COMPUTE DIGITAL SIGNATURE find a
    PIN or key by one. ``wrong`` holds the tries left after a wrong PIN, by AID and file. ``quirks`` names
    deviations (applets define the names).
    """

    max_command: int = 261
    extended: bool | None = None
    chaining: bool | None = None
    sfi: bool | None = None
    reference_by_sfi: bool | None = None
    wrong: dict[tuple[bytes, int], int] = field(default_factory=dict)
    quirks: set[str] = field(default_factory=set)

    @classmethod
    def from_link(cls, link: Link) -> CardProfile:
        """What ATR and link tell. A card without a statement of capabilities stays unknown."""
        profile = cls(max_command=link.info.max_command)
        try:
            stated = Historical.parse(Atr.parse(link.atr).historical).capabilities
        except ValueError:
            # Contactless readers invent ATRs, and cards put anything into theirs: it tells nothing then.
            return profile
        if stated is not None:
            profile.extended = stated.extended_length
            profile.chaining = stated.command_chaining
            profile.sfi = stated.short_ef_identifier
        return profile
