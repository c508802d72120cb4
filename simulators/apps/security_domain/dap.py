"""Load file signatures: DAP verification, optional and mandated (GPC 2.3.1 §9.2.1, §11.6.2.3, §C.3)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from ....applets.security_domain.model.tokens import DapBlock
from ...card.application import CardStatus, DomainContext
from .keystore import DAP_KVN
from .privileges import DAP, MANDATED
from .rights import domain_context
from .suites import verify_with_version

__all__ = ["check_hash", "check_signatures"]

HASHES = {20: "sha1", 32: "sha256", 48: "sha384", 64: "sha512"}
"""The algorithm follows from the length of the load file data block hash (GPC 2.3.1 §C.2)."""


def check_hash(code: bytes, digest: bytes) -> None:
    """Over what was sent, with Descriptor or without. Raises CardStatus 6A80."""
    name = HASHES.get(len(digest))
    if name is None or not hmac.compare_digest(
        hashlib.new(name, code, usedforsecurity=False).digest(), digest
    ):
        raise CardStatus(0x6A80)


def check_signatures(ctx: DomainContext, domain: bytes, digest: bytes, blocks: Sequence[DapBlock]) -> None:
    """Every signature that came is checked. One must come from the domain that the load file goes to, if it
    verifies signatures, and one from each that is mandated to.

    Raises CardStatus 6A80 for signatures without a hash to sign, 6985 for one that is missing or comes from a
    domain that verifies none or is locked, 6982 for a wrong one.
    """
    wanted = {
        entry.aid
        for entry in ctx.registry()
        if entry.privileges & MANDATED or (entry.aid == domain and entry.privileges & DAP)
    }
    if (blocks or wanted) and not digest:
        raise CardStatus(0x6A80)
    for block in blocks:
        entry = ctx.find(block.domain)
        if entry is None or not entry.privileges & DAP or entry.locked:
            raise CardStatus(0x6985)
        verifier = domain_context(ctx, block.domain)
        if not verify_with_version(verifier, DAP_KVN, digest, block.signature):
            raise CardStatus(0x6982)
    if wanted - {block.domain for block in blocks}:
        raise CardStatus(0x6985)
