"""Diversification schemes: how a master key and a KeyRef give the key on the card.

* ``fixed`` - the master itself, the same on every card: only for a maker's well-known keys.
* ``sp800-108-cmac`` - NIST SP 800-108r1 counter mode with AES-CMAC; label = usage, context =
  diversification ‖ version (1 byte) ‖ length (1 byte). PINs and PUKs are digits from the same stream.
* ``entry-badge`` - master → site key → badge key (docs/protocols/entry-badge.md); the diversification is
  the site (4 bytes), followed by the card's diversifier (16) for usage ``badge``; ``site`` and ``privacy``
  are the keys of a site.

A scheme is a function of (master's bytes, reference); :data:`SCHEMES` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...apdu.errors import InputError
from ...apdu.ports import KeyRef
from ...applets.entry_badge import model as badge
from ...applets.entry_badge import model as entry_badge
from .kdf import counter_mode_cmac, digits

__all__ = ["BADGE_USAGES", "ENTRY_BADGE", "FIXED", "PIN_USAGES", "SCHEMES", "SP800_108_CMAC", "derive"]

FIXED = "fixed"
SP800_108_CMAC = "sp800-108-cmac"
ENTRY_BADGE = entry_badge.SCHEME

PIN_USAGES: Mapping[str, range] = {"piv-pin": range(6, 9), "piv-puk": range(8, 9)}
"""Usages whose value is decimal digits, and how many they may have (SP 800-73-5 part 2 §3.2.1)."""

AES_LENGTHS = (16, 24, 32)
BADGE_USAGES = ("badge", "site", "privacy", "binding")
SITE_BYTES = 4

Scheme = Callable[[bytes, KeyRef], bytes]


def derive(master: bytes, ref: KeyRef) -> bytes:
    """The key, PIN or PUK that ``ref`` names. Raises InputError ``keyring.reference``."""
    scheme = SCHEMES.get(ref.scheme)
    if scheme is None:
        raise InputError("keyring.reference", what=f"scheme {ref.scheme!r}")
    if not 0 <= ref.version <= 0xFF:
        raise InputError("keyring.reference", what=f"key version {ref.version}")
    if ref.length not in PIN_USAGES.get(ref.usage, AES_LENGTHS):
        raise InputError("keyring.reference", what=f"length {ref.length} of {ref.usage}")
    return scheme(master, ref)


def _fixed(master: bytes, ref: KeyRef) -> bytes:
    if ref.length != len(master) or ref.usage in PIN_USAGES:
        raise InputError("keyring.reference", what=f"{ref.usage} of {ref.length} bytes from a fixed key")
    return master


def _sp800_108_cmac(master: bytes, ref: KeyRef) -> bytes:
    label = ref.usage.encode("ascii")
    context = ref.diversification + bytes([ref.version, ref.length])
    if ref.usage in PIN_USAGES:
        return digits(master, label, context, ref.length)
    return counter_mode_cmac(master, label, context, ref.length)


def _entry_badge(master: bytes, ref: KeyRef) -> bytes:
    """Usages ``site`` and ``privacy`` of a 4-byte site; ``badge`` of site ‖ 16-byte diversifier."""
    site, diversifier = ref.diversification[:4], ref.diversification[4:]
    expected = badge.DIVERSIFIER_LENGTH if ref.usage == "badge" else 0
    if len(site) != 4 or len(diversifier) != expected or ref.length != badge.KEY_LENGTH or not ref.version:
        raise InputError("keyring.reference", what=f"{ref.usage} of an entry badge with these parameters")
    number = int.from_bytes(site, "big")
    if ref.usage == "privacy":
        return badge.privacy_key(master, number, ref.version)
    if ref.usage not in ("site", "badge"):
        raise InputError("keyring.reference", what=f"usage {ref.usage!r} of an entry badge")
    site_key = badge.site_key(master, number, ref.version)
    return badge.badge_key(site_key, diversifier) if ref.usage == "badge" else site_key


SCHEMES: dict[str, Scheme] = {
    FIXED: _fixed,
    SP800_108_CMAC: _sp800_108_cmac,
    ENTRY_BADGE: _entry_badge,
}
