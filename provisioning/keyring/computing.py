"""The rules of a key ring, wherever its masters are kept (:class:`tegata.apdu.ports.KeyRing`).

Nothing gives out a static key of a card: the ring derives it, uses it and forgets it. Each operation takes
only references whose usage fits it, so that no operation becomes a detour to another's keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ...apdu.errors import InputError
from ...apdu.ports import ChannelDek, KeyRef, SessionKeys
from ...apdu.scp02.crypto import C_MAC_KEY, DEK_KEY, ENC_KEY, KEY_LENGTH, R_MAC_KEY, SEQUENCE_LENGTH
from ...apdu.scp03.crypto import CARD_CHALLENGE, S_ENC, S_MAC, S_RMAC, derivation_inputs
from ...apdu.secret import Secret
from .kdf import digits_from
from .keys import BLOCK, MemoryKey, StaticKey, check_value, filled
from .schemes import (
    BADGE_USAGES,
    FIXED,
    OSDP_SCBK,
    PIN_USAGES,
    Cmac,
    Step,
    TripleDes,
    master_algorithm,
    pin_inputs,
    steps,
)

__all__ = ["AUTHORIZATIONS", "GP_DEFAULT", "WELL_KNOWN", "ComputingRing", "Master", "MemoryRing"]

GP_DEFAULT = bytes(range(0x40, 0x50))
"""The well-known test keys that makers deliver cards with (GlobalPlatform's default key set)."""

WELL_KNOWN = "gp-default"
"""Under this label every ring knows them, held or not: what everybody knows needs no safe."""

AUTHORIZATIONS = ("token", "receipt", "dap")
"""Usages of keys that authorise or confirm content management."""

_AES_BLOCK = BLOCK["aes"]
_PIN_BYTES = 8
_SCP03_SEQUENCE_BYTES = 3


class ComputingRing(ABC):
    """All operations of the port; a subclass says where masters are."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def _held(self, ref: KeyRef) -> StaticKey | None:
        """The master that ``ref`` names, as a key that the caller closes; None when the ring has none of that
        label. Raises InputError ``keyring.reference`` for a scheme that this master does not serve."""

    def _for_transport(self, ref: KeyRef, dek: StaticKey) -> StaticKey:
        """The key of ``ref`` in a form that ``dek`` can encrypt."""
        return self._key(ref)

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
        """The reference of a derived key, its check value filled in (empty for a PIN or PUK)."""
        ref = KeyRef(self.name, master, scheme, diversification, version, usage, length, algorithm=algorithm)
        if usage in PIN_USAGES:
            self._digits(ref).wipe()
            return ref
        with self._key(ref) as key:
            return replace(ref, kcv=check_value(key).hex().upper())

    def kcv(self, ref: KeyRef) -> bytes:
        """3 bytes. Raises InputError ``keyring.use`` for a PIN or PUK: its check value would betray it."""
        with self._key(ref) as key:
            return check_value(key)

    def session(
        self, enc: KeyRef, mac: KeyRef, *, host_challenge: bytes, card_challenge: bytes
    ) -> SessionKeys:
        """SCP03 session keys; challenges of 8 bytes (S8) or 16 (S16)."""
        context = host_challenge + card_challenge
        with self._key(enc, "enc") as enc_key, self._key(mac, "mac") as mac_key:
            return SessionKeys(
                enc=_scp03(enc_key, S_ENC, context),
                mac=_scp03(mac_key, S_MAC, context),
                rmac=_scp03(mac_key, S_RMAC, context),
            )

    def card_challenge(self, enc: KeyRef, *, sequence: int, aid: bytes, length: int) -> bytes:
        """The pseudo-random card challenge of SCP03, computed under K-ENC."""
        context = sequence.to_bytes(_SCP03_SEQUENCE_BYTES, "big") + aid
        with self._key(enc, "enc") as key:
            (message,) = derivation_inputs(CARD_CHALLENGE, length, context)
            return key.cmac(message)[:length]

    def scp02_session(self, enc: KeyRef, mac: KeyRef, *, sequence: bytes) -> SessionKeys:
        """SCP02 session keys, 16 bytes each; with one base key both references are its own."""
        with self._key(enc, "enc") as enc_key, self._key(mac, "mac", "enc") as mac_key:
            return SessionKeys(
                enc=enc_key.disclose(_scp02(ENC_KEY, sequence), KEY_LENGTH),
                mac=mac_key.disclose(_scp02(C_MAC_KEY, sequence), KEY_LENGTH),
                rmac=mac_key.disclose(_scp02(R_MAC_KEY, sequence), KEY_LENGTH),
            )

    def wrap_for_put_key(self, dek: KeyRef | ChannelDek, key: KeyRef) -> bytes:
        """The key under the channel's DEK; what is no whole number of blocks is filled with zeros."""
        channel = _channel(dek)
        with self._dek(channel) as under, self._for_transport(key, under) as value:
            return under.encrypt_key(value, cbc=_in_cbc(channel))

    def authorize(self, ref: KeyRef, data: bytes) -> bytes:
        """AES-CMAC under a key of usage ``token``, ``receipt`` or ``dap``, 16 bytes."""
        with self._key(ref, *AUTHORIZATIONS) as key:
            return key.cmac(data)

    def sign(self, key: str, data: bytes) -> bytes:
        """Raises InputError ``keyring.master``: this ring has no private keys."""
        raise InputError("keyring.master", master=key, ring=self.name)

    def public_key(self, key: str) -> bytes:
        """Raises InputError ``keyring.master``: this ring has no private keys."""
        raise InputError("keyring.master", master=key, ring=self.name)

    def encrypt_dgi(self, dek: KeyRef | ChannelDek, value: KeyRef) -> bytes:
        """A key, or a PIN or PUK as its 8 bytes, under the channel's DEK."""
        if value.usage not in PIN_USAGES:
            return self.wrap_for_put_key(dek, value)
        with self._digits(value) as plain:
            return self.encrypt_dgi_value(dek, plain)

    def encrypt_dgi_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        """A PIN or PUK that a person typed, 1 to 8 bytes, under the channel's DEK."""
        channel = _channel(dek)
        with _pin_block(value) as block, self._dek(channel) as under:
            return under.encrypt(filled(under, block.reveal()), cbc=_in_cbc(channel))

    def encrypt_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        """A value of whole cipher blocks under the channel's DEK; nothing is added to it."""
        channel = _channel(dek)
        with self._dek(channel) as under:
            if not value or len(value) % BLOCK[under.algorithm]:
                what = f"a value of {len(value)} bytes under blocks of {BLOCK[under.algorithm]}"
                raise InputError("keyring.reference", what=what)
            return under.encrypt(value.reveal(), cbc=_in_cbc(channel))

    def management_response(self, ref: KeyRef, witness: bytes, host_challenge: bytes) -> tuple[bytes, bytes]:
        """The decrypted witness and the encrypted host challenge, 16 bytes each."""
        if len(witness) != _AES_BLOCK or len(host_challenge) != _AES_BLOCK:
            raise InputError("keyring.reference", what="a witness or challenge that is not 16 bytes")
        with self._key(ref, "piv-9b") as key:
            return key.decrypt(witness), key.encrypt(host_challenge)

    def badge_cryptogram(self, ref: KeyRef, data: bytes) -> bytes:
        """AES-CMAC under a key of an entry badge, 16 bytes."""
        with self._key(ref, *BADGE_USAGES) as key:
            return key.cmac(data)

    def reveal_pin(self, ref: KeyRef) -> Secret:
        """The digits of a PIN or PUK that the ring made."""
        if ref.usage not in PIN_USAGES:
            raise InputError("keyring.use", usage=ref.usage)
        return self._digits(ref)

    def reveal_device_key(self, ref: KeyRef) -> Secret:
        """The SCBK of an OSDP peripheral, 16 bytes; no scheme of a card's key leads here."""
        if (ref.scheme, ref.usage) != (OSDP_SCBK, OSDP_SCBK):
            raise InputError("keyring.use", usage=ref.usage)
        self._key(ref, OSDP_SCBK).close()  # the check value
        master, step = self._last_step(ref)
        with master:
            if step is None:
                raise InputError("keyring.use", usage=ref.usage)
            return master.disclose(step, ref.length)

    def _dek(self, channel: ChannelDek) -> StaticKey:
        """What the channel encrypts under; a session DEK of SCP02 is made from the base key."""
        if channel.session is not None:
            algorithm = "3des" if channel.sequence else "aes"
            return MemoryKey(Secret(channel.session.reveal()), algorithm)
        if channel.static is None:
            raise InputError("keyring.reference", what="a channel without a DEK")
        if channel.static.algorithm == "3des" and not channel.sequence:
            raise InputError("keyring.reference", what="a 3DES channel without its sequence counter")
        static = self._key(channel.static, *(("dek", "enc") if channel.sequence else ("dek",)))
        if not channel.sequence:
            return static
        with static:
            return static.derive(_scp02(DEK_KEY, channel.sequence), "3des", KEY_LENGTH)

    def _digits(self, ref: KeyRef) -> Secret:
        inputs = pin_inputs(ref)
        with self._master(ref) as master:
            stream = (master.disclose(Cmac((message,)), _AES_BLOCK).reveal() for message in inputs)
            return Secret(digits_from(stream, ref.length))

    def _key(self, ref: KeyRef, *usages: str) -> StaticKey:
        """The key of ``ref``, its check value compared; ``usages`` are those that the operation takes."""
        if ref.usage in PIN_USAGES or (usages and ref.usage not in usages):
            raise InputError("keyring.use", usage=ref.usage)
        return self.checked(ref, self._derive(ref))

    def _master(self, ref: KeyRef) -> StaticKey:
        """As :meth:`_held`. Raises InputError ``keyring.master`` when there is none."""
        key = self._held(ref) if ref.ring == self.name else None
        if key is None and ref.ring == self.name and (ref.master, ref.scheme) == (WELL_KNOWN, FIXED):
            key = MemoryKey(Secret(GP_DEFAULT), ref.algorithm)
        if key is None:
            raise InputError("keyring.master", master=ref.master, ring=ref.ring)
        return key

    def _derive(self, ref: KeyRef) -> StaticKey:
        key, step = self._last_step(ref)
        if step is None:
            return key
        with key:
            return key.derive(step, ref.algorithm, ref.length)

    def _last_step(self, ref: KeyRef) -> tuple[StaticKey, Step | None]:
        """The key from which that of ``ref`` comes in one step; with None, the key itself."""
        path = steps(ref)
        key = self._master(ref)
        if not path and len(key) != ref.length:
            raise InputError("keyring.reference", what=f"{ref.length} bytes from a fixed key of {len(key)}")
        for step in path[:-1]:
            with key:
                key = key.derive(step, "aes", _AES_BLOCK)
        return key, path[-1] if path else None

    @staticmethod
    def checked(ref: KeyRef, key: StaticKey) -> StaticKey:
        """``key``, if it has the check value on record. Raises InputError ``keyring.kcv``."""
        if ref.kcv and check_value(key).hex().upper() != ref.kcv.upper():
            key.close()
            raise InputError("keyring.kcv", master=ref.master, usage=ref.usage, version=ref.version)
        return key


@dataclass(frozen=True, slots=True)
class Master:
    """A master in memory and what it serves; None means any.

    ``fixed``: True for a key that is on the cards themselves (only the scheme ``fixed``), False for one that
    never is. ``algorithm``: ``aes`` or ``3des``.
    """

    key: Secret
    fixed: bool | None = None
    algorithm: str | None = None
    scheme: str | None = None

    def serves(self, ref: KeyRef) -> bool:
        """Whether this master may make the key. A derived scheme over a fixed key would look diversified and
        protect nothing; a fixed scheme over a master would put the master itself on a card."""
        wanted = master_algorithm(ref.scheme) or ref.algorithm
        return (
            self.scheme in (None, ref.scheme)
            and self.fixed in (None, ref.scheme == FIXED)
            and self.algorithm in (None, wanted)
        )


class MemoryRing(ComputingRing):
    """A ring that computes in this process. What it cannot give is the shell of hardware: who can put a card
    of his own choice, with keys he knows, under PUT KEY learns the keys that go there."""

    @abstractmethod
    def _masters(self) -> Mapping[str, Master]:
        """The masters by label."""

    def _held(self, ref: KeyRef) -> MemoryKey | None:
        master = self._masters().get(ref.master)
        if master is None:
            return None
        if not master.serves(ref):
            raise InputError("keyring.reference", what=f"scheme {ref.scheme!r} with master {ref.master}")
        return MemoryKey(Secret(master.key.reveal()), master_algorithm(ref.scheme) or ref.algorithm)

    def known_dek(self, dek: KeyRef | ChannelDek) -> ChannelDek:
        """The same DEK as one that this process knows, for a key of another ring to be encrypted under."""
        channel = _channel(dek)
        with self._dek(channel) as key:
            if not isinstance(key, MemoryKey):
                raise TypeError("a ring in memory has keys in memory")
            return ChannelDek(sequence=channel.sequence, session=Secret(key.value.reveal()), cbc=channel.cbc)

    def known_key(self, ref: KeyRef, block: int) -> Secret:
        """A key that this process knows, zeros up to whole blocks behind it, for another ring's DEK."""
        with self._key(ref) as key:
            if not isinstance(key, MemoryKey):
                raise TypeError("a ring in memory has keys in memory")
            raw = key.value.reveal()
            return Secret(raw + bytes(-len(raw) % block))


def _scp03(key: StaticKey, constant: int, context: bytes) -> Secret:
    return key.disclose(Cmac(derivation_inputs(constant, len(key), context)), len(key))


def _scp02(constant: int, sequence: bytes) -> TripleDes:
    if len(sequence) != SEQUENCE_LENGTH:
        raise InputError("keyring.reference", what=f"a sequence counter of {len(sequence)} bytes")
    return TripleDes(constant.to_bytes(2, "big") + sequence + bytes(12), cbc=True)


def _channel(dek: KeyRef | ChannelDek) -> ChannelDek:
    return ChannelDek(static=dek) if isinstance(dek, KeyRef) else dek


def _in_cbc(channel: ChannelDek) -> bool:
    return channel.cbc or not channel.sequence


def _pin_block(value: Secret) -> Secret:
    if not 0 < len(value) <= _PIN_BYTES:
        raise InputError("pin.format", pin="PIN", rule="1 to 8 bytes")
    return Secret((value.reveal().ljust(_PIN_BYTES, b"\xff") + b"\x80").ljust(_AES_BLOCK, b"\x00"))
