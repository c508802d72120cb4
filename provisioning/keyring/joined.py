"""Two rings as one: a card leaves the keys that a person brought along for those of a ring.

Every operation goes to the ring that a reference names; a second ring of keys brought along is told apart by
its label. Where the DEK is in the one and the key in the other, what was brought along, and so is in memory
anyway, is handed over: its DEK for a key of the ring, its key to be encrypted under the ring's DEK. Nothing
leaves the ring.
"""

from __future__ import annotations

from ...apdu.errors import InputError
from ...apdu.ports import ChannelDek, KeyRef, KeyRing, SessionKeys
from ...apdu.secret import Secret
from .keys import BLOCK
from .static import StaticKeyRing

__all__ = ["JoinedKeyRing"]


class JoinedKeyRing:
    """``ring``, with the keys of ``given`` beside its own."""

    def __init__(self, ring: KeyRing, given: StaticKeyRing) -> None:
        self._ring = ring
        self._given = given

    @property
    def name(self) -> str:
        return self._ring.name

    def refer(
        self,
        master: str,
        *,
        scheme: str,
        diversification: bytes,
        version: int,
        usage: str,
        length: int = 16,
        algorithm: str = "aes",
    ) -> KeyRef:
        """The label of the given keys wins over one of the ring's."""
        ring: KeyRing = self._given if master == self._given.label else self._ring
        return ring.refer(
            master,
            scheme=scheme,
            diversification=diversification,
            version=version,
            usage=usage,
            length=length,
            algorithm=algorithm,
        )

    def kcv(self, ref: KeyRef) -> bytes:
        return self._of(ref).kcv(ref)

    def session(
        self, enc: KeyRef, mac: KeyRef, *, host_challenge: bytes, card_challenge: bytes
    ) -> SessionKeys:
        ring = self._both(enc, mac)
        return ring.session(enc, mac, host_challenge=host_challenge, card_challenge=card_challenge)

    def card_challenge(self, enc: KeyRef, *, sequence: int, aid: bytes, length: int) -> bytes:
        return self._of(enc).card_challenge(enc, sequence=sequence, aid=aid, length=length)

    def scp02_session(self, enc: KeyRef, mac: KeyRef, *, sequence: bytes) -> SessionKeys:
        return self._both(enc, mac).scp02_session(enc, mac, sequence=sequence)

    def wrap_for_put_key(self, dek: KeyRef | ChannelDek, key: KeyRef) -> bytes:
        ring = self._of(key)
        if self._follows(dek, ring):
            return self._under_the_rings(dek, key)
        return ring.wrap_for_put_key(self._dek(dek, ring), key)

    def authorize(self, ref: KeyRef, data: bytes) -> bytes:
        return self._of(ref).authorize(ref, data)

    def sign(self, key: str, data: bytes) -> bytes:
        return self._ring.sign(key, data)

    def public_key(self, key: str) -> bytes:
        return self._ring.public_key(key)

    def encrypt_dgi(self, dek: KeyRef | ChannelDek, value: KeyRef) -> bytes:
        ring = self._of(value)
        if self._follows(dek, ring):
            return self._under_the_rings(dek, value)
        return ring.encrypt_dgi(self._dek(dek, ring), value)

    def encrypt_dgi_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        static = dek if isinstance(dek, KeyRef) else dek.static
        ring = self._ring if static is None else self._of(static)
        return ring.encrypt_dgi_value(dek, value)

    def encrypt_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        static = dek if isinstance(dek, KeyRef) else dek.static
        ring = self._ring if static is None else self._of(static)
        return ring.encrypt_value(dek, value)

    def management_response(self, ref: KeyRef, witness: bytes, host_challenge: bytes) -> tuple[bytes, bytes]:
        return self._of(ref).management_response(ref, witness, host_challenge)

    def badge_cryptogram(self, ref: KeyRef, data: bytes) -> bytes:
        return self._of(ref).badge_cryptogram(ref, data)

    def reveal_pin(self, ref: KeyRef) -> Secret:
        return self._of(ref).reveal_pin(ref)

    def reveal_device_key(self, ref: KeyRef) -> Secret:
        return self._of(ref).reveal_device_key(ref)

    def _of(self, ref: KeyRef) -> KeyRing:
        ours = (ref.ring, ref.master) == (self._given.name, self._given.label)
        return self._given if ours else self._ring

    def _both(self, enc: KeyRef, mac: KeyRef) -> KeyRing:
        if enc.ring != mac.ring:
            raise InputError("keyring.reference", what="a key set from two rings")
        return self._of(enc)

    def _follows(self, dek: KeyRef | ChannelDek, ring: KeyRing) -> bool:
        """Whether a key brought along goes under the ring's DEK."""
        static = dek if isinstance(dek, KeyRef) else dek.static
        return static is not None and ring is self._given and self._of(static) is not ring

    def _under_the_rings(self, dek: KeyRef | ChannelDek, key: KeyRef) -> bytes:
        block = dek.block if isinstance(dek, ChannelDek) else BLOCK[dek.algorithm]
        with self._given.known_key(key, block) as value:
            return self._ring.encrypt_value(dek, value)

    def _dek(self, dek: KeyRef | ChannelDek, ring: KeyRing) -> KeyRef | ChannelDek:
        static = dek if isinstance(dek, KeyRef) else dek.static
        if static is None or self._of(static) is ring:
            return dek
        return self._given.known_dek(dek)
