"""Diversification schemes: what a master key has to encrypt so that the key of a KeyRef comes out.

* ``fixed`` - the master itself, the same on every card: only for a maker's well-known or transport keys.
* ``sp800-108-cmac`` - NIST SP 800-108r1 counter mode with AES-CMAC; label = usage, context =
  diversification ‖ version (1 byte) ‖ length (1 byte). PINs and PUKs are digits from the same stream.
* ``visa``, ``visa2``, ``emv-cps-1.1``, ``kdf3`` - the four ways of the field for ENC, MAC and DEK of a card
  (:mod:`tegata.apdu.diversification`); the diversification is the ten bytes of its INITIALIZE UPDATE answer.
* ``entry-badge`` - master → site key → badge key (docs/protocols/entry-badge.md); the diversification is
  the site (4 bytes), followed by the card's diversifier (16) for usage ``badge``; ``site`` and ``privacy``
  are the keys of a site.
* ``osdp-scbk`` - the SCBK of an OSDP peripheral: AES of cUID ‖ ¬cUID (IEC 60839-11-5 annex D.6); the
  diversification is the cUID (8 bytes), the usage ``osdp-scbk``. Best from
  a master that serves nothing else.

A scheme gives steps (:class:`Cmac`, :class:`TripleDes`, :class:`Aes`) and computes nothing: whoever holds the
master, this process or a token, carries them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ...apdu.diversification import KDD_LENGTH, KEY_IDS, LAYOUTS
from ...apdu.errors import InputError
from ...apdu.ports import KeyRef
from ...applets.entry_badge import model as badge
from .kdf import counter_mode_inputs, digit_inputs

__all__ = [
    "BADGE_USAGES",
    "ENTRY_BADGE",
    "FIXED",
    "KEY_LENGTHS",
    "OSDP_SCBK",
    "PIN_USAGES",
    "SCHEMES",
    "SP800_108_CMAC",
    "Aes",
    "Cmac",
    "Step",
    "TripleDes",
    "master_algorithm",
    "pin_inputs",
    "steps",
]

FIXED = "fixed"
SP800_108_CMAC = "sp800-108-cmac"
KDF3 = "kdf3"
ENTRY_BADGE = badge.SCHEME
OSDP_SCBK = "osdp-scbk"
"""The scheme, and the one usage that it has."""

PIN_USAGES: Mapping[str, range] = {"piv-pin": range(6, 9), "piv-puk": range(8, 9)}
"""Usages whose value is decimal digits, and how many they may have (SP 800-73-5 part 2 §3.2.1)."""

KEY_LENGTHS: Mapping[str, tuple[int, ...]] = {"aes": (16, 24, 32), "3des": (16, 24)}
"""The algorithms of keys, and how many bytes theirs may have."""

BADGE_USAGES = ("badge", "site", "privacy", "binding")
SET_USAGES = dict(zip(("enc", "mac", "dek"), KEY_IDS, strict=True))
SITE_BYTES = 4
CUID_BYTES = 8
DES_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cmac:
    """The AES-CMACs of ``messages`` under an AES key, one after the other."""

    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TripleDes:
    """``data``, whole blocks of 8 bytes, under a 3DES key: in ECB, or in CBC with zero IV."""

    data: bytes
    cbc: bool = False


@dataclass(frozen=True, slots=True)
class Aes:
    """``data``, whole blocks of 16 bytes, under an AES key in ECB."""

    data: bytes


Step = Cmac | TripleDes | Aes
Scheme = Callable[[KeyRef], tuple[Step, ...]]


def steps(ref: KeyRef) -> tuple[Step, ...]:
    """How the key of ``ref`` comes from its master: each step's output, cut to the length, is the key of the
    next; none at all means the master itself. Raises InputError ``keyring.reference``."""
    scheme = _checked(ref)
    if ref.usage in PIN_USAGES:
        raise InputError("keyring.use", usage=ref.usage)
    return scheme(ref)


def pin_inputs(ref: KeyRef) -> Iterator[bytes]:
    """The messages whose AES-CMACs under the master give the digits of a PIN or PUK, as many as it takes
    (:func:`.kdf.digits_from`). Raises InputError ``keyring.reference``."""
    _checked(ref)
    if ref.usage not in PIN_USAGES or ref.scheme != SP800_108_CMAC:
        raise InputError("keyring.reference", what=f"{ref.usage} by the scheme {ref.scheme}")
    return digit_inputs(*_sp800_108_names(ref))


def master_algorithm(scheme: str) -> str | None:
    """With what the master of a scheme computes: ``aes``, ``3des``, or None for the one of its own key."""
    return None if scheme == FIXED else "3des" if scheme in LAYOUTS else "aes"


def _checked(ref: KeyRef) -> Scheme:
    scheme = SCHEMES.get(ref.scheme)
    if scheme is None:
        raise InputError("keyring.reference", what=f"scheme {ref.scheme!r}")
    if not 0 <= ref.version <= 0xFF:
        raise InputError("keyring.reference", what=f"key version {ref.version}")
    if ref.algorithm not in KEY_LENGTHS:
        raise InputError("keyring.reference", what=f"algorithm {ref.algorithm!r}")
    if ref.length not in PIN_USAGES.get(ref.usage, KEY_LENGTHS[ref.algorithm]):
        raise InputError("keyring.reference", what=f"length {ref.length} of {ref.usage}")
    return scheme


def _fixed(ref: KeyRef) -> tuple[Step, ...]:
    return ()


def _sp800_108_names(ref: KeyRef) -> tuple[bytes, bytes]:
    return ref.usage.encode("ascii"), ref.diversification + bytes((ref.version, ref.length))


def _sp800_108_cmac(ref: KeyRef) -> tuple[Step, ...]:
    label, context = _sp800_108_names(ref)
    return (Cmac(counter_mode_inputs(label, context, ref.length)),)


def _key_id(ref: KeyRef) -> int:
    if len(ref.diversification) != KDD_LENGTH or ref.usage not in SET_USAGES:
        what = (
            f"{ref.usage} of {len(ref.diversification)} bytes of diversification by the scheme {ref.scheme}"
        )
        raise InputError("keyring.reference", what=what)
    return SET_USAGES[ref.usage]


def _of_the_field(ref: KeyRef) -> tuple[Step, ...]:
    kid = _key_id(ref)
    if ref.length != DES_KEY_BYTES:
        raise InputError("keyring.reference", what=f"{ref.length} bytes by the scheme {ref.scheme}")
    half = LAYOUTS[ref.scheme](ref.diversification)
    return (TripleDes(half + bytes((0xF0, kid)) + half + bytes((0x0F, kid))),)


def _kdf3(ref: KeyRef) -> tuple[Step, ...]:
    tail = bytes((0, 0, 0, _key_id(ref), 0)) + ref.diversification
    return (Cmac(tuple(bytes((counter,)) + tail for counter in range(1, -(-ref.length // 16) + 1))),)


def _entry_badge(ref: KeyRef) -> tuple[Step, ...]:
    """Usages ``site`` and ``privacy`` of a 4-byte site; ``badge`` of site ‖ 16-byte diversifier."""
    site, diversifier = ref.diversification[:SITE_BYTES], ref.diversification[SITE_BYTES:]
    expected = badge.DIVERSIFIER_LENGTH if ref.usage == "badge" else 0
    fits = len(site) == SITE_BYTES and len(diversifier) == expected and ref.length == badge.KEY_LENGTH
    if not fits or not ref.version or ref.algorithm != "aes":
        raise InputError("keyring.reference", what=f"{ref.usage} of an entry badge with these parameters")
    if ref.usage not in ("site", "badge", "privacy"):
        raise InputError("keyring.reference", what=f"usage {ref.usage!r} of an entry badge")
    label = b"privacy" if ref.usage == "privacy" else b"site"
    first = Cmac((badge.kdf_input(label, site + bytes((ref.version,))),))
    return (first, Cmac((badge.kdf_input(b"badge", diversifier),))) if ref.usage == "badge" else (first,)


def _osdp_scbk(ref: KeyRef) -> tuple[Step, ...]:
    cuid = ref.diversification
    fits = len(cuid) == CUID_BYTES and ref.length == 16 and ref.algorithm == "aes"
    if not fits or ref.usage != OSDP_SCBK:
        what = f"{ref.usage} of {len(cuid)} bytes of diversification by the scheme {ref.scheme}"
        raise InputError("keyring.reference", what=what)
    return (Aes(cuid + bytes(byte ^ 0xFF for byte in cuid)),)


SCHEMES: dict[str, Scheme] = {
    FIXED: _fixed,
    SP800_108_CMAC: _sp800_108_cmac,
    **dict.fromkeys(LAYOUTS, _of_the_field),
    KDF3: _kdf3,
    ENTRY_BADGE: _entry_badge,
    OSDP_SCBK: _osdp_scbk,
}
