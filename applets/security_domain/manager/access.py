"""How a host gets into a security domain: which keys, which version, how protected (design §5).

The keys stay in the ring: a :class:`KeySource` only knows how to name them for the card in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from ....apdu.errors import InputError
from ....apdu.ports import KeyRef, KeyRing, KeySet
from ....apdu.scp11 import Certificate, Trust, Variant

__all__ = ["LEVELS", "Access", "CardTold", "Certified", "KeySource", "Masters", "NewKeys", "best_level"]

LEVELS: Mapping[str, int] = {"none": 0x00, "mac": 0x01, "enc": 0x03, "rmac": 0x13, "full": 0x33}
"""Security levels by name: P1 of EXTERNAL AUTHENTICATE (GPC 2.3.1 §E.5.2.3, Amd D table 7-5)."""
FIXED = "fixed"
WELL_KNOWN = "default"
BY_IDENTITY = ("sp800-108-cmac",)
"""Schemes that diversify by the card's identity; all others take what INITIALIZE UPDATE tells."""
SCP02 = 2


@dataclass(frozen=True, slots=True)
class CardTold:
    """What diversifies the keys of a domain: the card's identity, followed by the domain's AID when it is not
    the issuer's; and what INITIALIZE UPDATE answered."""

    identity: bytes
    diversification: bytes
    version: int
    protocol: int


class KeySource(Protocol):
    """Names the key set of a card; the ring is the session's."""

    def key_set(self, ring: KeyRing, told: CardTold) -> KeySet: ...


@dataclass(frozen=True, slots=True)
class Masters:
    """Keys that a ring makes from ``master`` by ``scheme``; ``fixed`` keys are used as they are.

    ``version`` 0 takes the version that the card told; ``algorithm`` empty follows from the protocol.
    """

    master: str
    scheme: str
    version: int = 0
    length: int = 16
    algorithm: str = ""

    def key_set(self, ring: KeyRing, told: CardTold) -> KeySet:
        """Raises InputError ``keyring.*`` for a master or scheme that the ring does not have."""
        enc, mac, dek = (self.key(ring, told, usage) for usage in ("enc", "mac", "dek"))
        return KeySet(enc.version, enc, mac, dek)

    def key(self, ring: KeyRing, told: CardTold, usage: str) -> KeyRef:
        """One key of that usage; errors as in :meth:`key_set`."""
        by_identity = told.identity if self.scheme in BY_IDENTITY else told.diversification
        return ring.refer(
            self.master,
            scheme=self.scheme,
            diversification=b"" if self.scheme == FIXED else by_identity,
            version=self.version or told.version,
            usage=usage,
            length=self.length,
            algorithm=self.algorithm or ("3des" if told.protocol == SCP02 else "aes"),
        )


@dataclass(frozen=True, slots=True)
class Certified:
    """SCP11: which variant, why the card's key is believed, and who the host is (variants a and c).

    ``key`` and ``chain`` (leaf last) are the host's; the card names the key that verifies them.
    """

    variant: Variant
    trust: Trust
    key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)
    chain: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How to open the channel. ``version`` 0 is the card's first set; ``level`` None the highest it offers.

    ``scp02_i`` is how an SCP02 card is set up, which it does not tell itself; ``scp11`` opens the channel
    with certificates instead of the key set. ``named`` are the keys that the person brought along, by the
    name under which he speaks of them. ``typed``: he said himself which keys the card has; ``well_known`` is
    the ring of the makers' keys, which prove nothing of a card; ``coming`` are versions that this run puts.
    """

    ring: KeyRing
    source: KeySource
    version: int = 0
    level: int | None = None
    scp02_i: int | None = None
    scp11: Certified | None = None
    named: Mapping[str, Masters] = field(default_factory=dict)
    typed: bool = False
    well_known: KeyRing | None = None
    coming: frozenset[int] = frozenset()

    def proves(self, keys: KeySet, told: CardTold) -> bool:
        """Whether only the owner's card can hold ``keys``, which the person named: everybody could make a
        card with the makers' keys, or with what is made from them."""
        if not self.typed or self.well_known is None or not isinstance(self.source, Masters):
            return False
        try:
            public = replace(self.source, master=WELL_KNOWN).key_set(self.well_known, told)
        except InputError:  # they cannot be made so: these are others
            return True
        return [key.kcv for key in public.refs] != [key.kcv for key in keys.refs]


@dataclass(frozen=True, slots=True)
class NewKeys:
    """The key set that a card is to get: ``named`` keys that the person brought along, or made from
    ``master`` of the ring (empty: the one that the card's present keys come from)."""

    version: int
    named: str = ""
    master: str = ""
    scheme: str = ""
    length: int = 16
    algorithm: str = ""

    def source(self, access: Access) -> Masters:
        """Raises InputError ``gp.keys_needed`` when it is not said where they come from."""
        if self.named:
            brought = access.named[self.named]
            return replace(brought, version=self.version, algorithm=self.algorithm or brought.algorithm)
        present = access.source
        if self.master:
            return Masters(
                self.master, self.scheme or BY_IDENTITY[0], self.version, self.length, self.algorithm
            )
        if not isinstance(present, Masters) or present.scheme == FIXED:
            raise InputError("gp.keys_needed")
        scheme = self.scheme or present.scheme
        return Masters(present.master, scheme, self.version, self.length, self.algorithm)


def best_level(protocol: int, i: int) -> int:
    """The highest level that a card with parameter ``i`` offers (GPC 2.3.1 table E-1, Amd D table 5-1)."""
    if protocol == SCP02:
        return LEVELS["rmac"] if i & 0x20 else LEVELS["enc"]
    if i & 0x60 == 0x60:
        return LEVELS["full"]
    return LEVELS["rmac"] if i & 0x20 else LEVELS["enc"]
