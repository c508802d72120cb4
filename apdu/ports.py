"""The ports of the house: Link, Reader, KeyRing, and how their URLs are opened.

Drivers are found through the entry-point groups ``tegata.readers`` and ``tegata.keyrings``, so that no
wing imports another to get one. A driver is a callable that takes the part of the URL after the scheme.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from .errors import InputError, ReaderError
from .secret import Secret

__all__ = [
    "CardEvent",
    "ChannelDek",
    "KeyRef",
    "KeyRing",
    "KeySet",
    "Link",
    "LinkInfo",
    "PinPad",
    "Presence",
    "Reader",
    "SessionKeys",
    "TransmissionProtocol",
    "open_keyring",
    "open_reader",
]

READERS = "tegata.readers"
KEYRINGS = "tegata.keyrings"


class TransmissionProtocol(enum.Enum):
    """How bytes travel: ISO 7816-3 T=0 and T=1, ISO 14443-4 (T=CL)."""

    T0 = "T=0"
    T1 = "T=1"
    TCL = "T=CL"


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """What a Link is. ``max_command`` and ``max_response`` are bytes of a whole APDU."""

    name: str
    protocol: TransmissionProtocol
    max_command: int = 261
    max_response: int = 258
    simulated: bool = False


@runtime_checkable
class Link(Protocol):
    """The bottom of the stack: bytes to one card and back.

    ``transmit`` raises CardRemoved when the card is gone and MalformedResponse for an answer of fewer
    than two bytes (PC/SC reports success with nothing when a card is torn away).
    """

    @property
    def atr(self) -> bytes: ...
    @property
    def info(self) -> LinkInfo: ...
    def transmit(self, command: bytes) -> bytes: ...
    def reset(self) -> None: ...
    def close(self, reset: bool = True) -> None: ...
    def exclusive(self) -> AbstractContextManager[None]: ...


@runtime_checkable
class PinPad(Protocol):
    """A second, optional protocol on a Link: the reader asks for the PIN and fills it in itself."""

    def verify_on_pad(self, template: bytes) -> bytes: ...


@runtime_checkable
class Presence(Protocol):
    """A third, optional protocol on a Link: whether its card is still there, asked without an APDU.

    A contactless reader asks with R(NAK) (ISO 14443-4:2018 §7.5.6.3), a contact reader its slot switch.
    ``present`` never raises for a card that is gone, and alters nothing in the card.
    """

    def present(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class CardEvent:
    """A card came (``present`` True) or went, at ``reader``."""

    reader: str
    present: bool
    atr: bytes = b""


@runtime_checkable
class Reader(Protocol):
    """A place where cards appear."""

    @property
    def name(self) -> str: ...
    @property
    def features(self) -> frozenset[str]: ...
    def wait_for_card(self, timeout: float | None = None) -> Link: ...
    def events(self, timeout: float | None = None) -> Iterator[CardEvent]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyRef:
    """What the ledger stores instead of a key: from it the ring makes the key again.

    ``usage`` names what the key is for, within one diversification: ``enc``, ``mac``, ``dek`` of a key
    set; ``piv-9b``, ``piv-pin``, ``piv-puk``; ``badge`` of an entry badge; ``osdp-scbk`` of an OSDP
    peripheral. ``version`` is the key version
    number on the card. ``kcv`` is the check value in hex, empty for a PIN. ``algorithm`` is ``aes`` or
    ``3des``: it decides how the check value is made and with what the key computes.
    """

    ring: str
    master: str
    scheme: str
    diversification: bytes
    version: int
    usage: str
    length: int = 16
    kcv: str = ""
    algorithm: str = "aes"

    def to_json(self) -> dict[str, Any]:
        """Plain values, bytes as hex. The algorithm stands there only when it is not AES."""
        other = {} if self.algorithm == "aes" else {"algorithm": self.algorithm}
        return {
            **other,
            "ring": self.ring,
            "master": self.master,
            "scheme": self.scheme,
            "diversification": self.diversification.hex(),
            "version": self.version,
            "usage": self.usage,
            "length": self.length,
            "kcv": self.kcv,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> KeyRef:
        """The inverse of :meth:`to_json`. Raises KeyError or ValueError for anything else."""
        return cls(**{**data, "diversification": bytes.fromhex(data["diversification"])})


@dataclass(frozen=True, slots=True)
class KeySet:
    """The three keys of one version of a security domain, as references (GPC 2.3.1 §7.5)."""

    version: int
    enc: KeyRef
    mac: KeyRef
    dek: KeyRef

    @classmethod
    def gather(cls, refs: Iterable[KeyRef]) -> list[KeySet]:
        """The complete sets among references, in the order in which their versions first appear."""
        by_version: dict[int, dict[str, KeyRef]] = {}
        for ref in refs:
            by_version.setdefault(ref.version, {}).setdefault(ref.usage, ref)
        return [
            cls(version, found["enc"], found["mac"], found["dek"])
            for version, found in by_version.items()
            if {"enc", "mac", "dek"} <= found.keys()
        ]

    @property
    def refs(self) -> tuple[KeyRef, KeyRef, KeyRef]:
        """ENC, MAC and DEK, in the order of their key identifiers 1 to 3."""
        return self.enc, self.mac, self.dek


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """Session keys of one secure channel; they live in memory for one card contact."""

    enc: Secret
    mac: Secret
    rmac: Secret


@dataclass(frozen=True, slots=True)
class ChannelDek:
    """Under what an open channel encrypts keys and sensitive data.

    SCP03: ``static`` is K-DEK, AES-CBC with zero IV (Amd D §6.2.8). SCP02: ``static`` is the base key and
    ``sequence`` the 2-byte counter from which the ring derives the session DEK, 3DES in ECB, or in CBC with
    zero IV when ``cbc`` is set, as implicit initiation has it (§E.4.7). SCP11: ``session`` is S-DEK,
    which only this process knows, AES-CBC with zero IV. ``session`` with a ``sequence`` is the session DEK of
    SCP02, already derived: so the DEK of one ring reaches a key of another.
    """

    static: KeyRef | None = None
    sequence: bytes = b""
    session: Secret | None = field(default=None, repr=False)
    cbc: bool = False

    @property
    def block(self) -> int:
        """Bytes of its cipher's block: 8 in SCP02, 16 otherwise."""
        return 8 if self.sequence else 16


class KeyRing(Protocol):
    """Who knows keys. There is no way to get a static key of a card out of it.

    All methods raise InputError ``keyring.*`` for an unknown master or a check value that differs.
    """

    @property
    def name(self) -> str: ...

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
        """The reference of a derived key, its check value filled in."""
        ...

    def kcv(self, ref: KeyRef) -> bytes:
        """The check value: first 3 bytes of AES(key, 16 × 01) (Amd D §4.1.4), or of 3DES(key, 8 × 00)
        (GPC 2.3.1 §B.5)."""
        ...

    def session(
        self, enc: KeyRef, mac: KeyRef, *, host_challenge: bytes, card_challenge: bytes
    ) -> SessionKeys:
        """SCP03 session keys (GPC 2.3.1 Amd D §6.2.1), derived inside the ring."""
        ...

    def card_challenge(self, enc: KeyRef, *, sequence: int, aid: bytes, length: int) -> bytes:
        """The SCP03 card challenge of i bit 10 for this counter and the AID of the security domain, 8 bytes,
        in S16 mode 16 (GPC 2.3.1 Amd D §6.2.2.1)."""
        ...

    def scp02_session(self, enc: KeyRef, mac: KeyRef, *, sequence: bytes) -> SessionKeys:
        """SCP02 session keys for ENC, C-MAC and R-MAC from the 2-byte counter (GPC 2.3.1 §E.4.1).

        Where the card has one base key, ``mac`` is its reference too, and so is the DEK's.
        """
        ...

    def wrap_for_put_key(self, dek: KeyRef | ChannelDek, key: KeyRef) -> bytes:
        """The key under the channel's DEK; a KeyRef alone is the static one of SCP03 (Amd D §7.2)."""
        ...

    def authorize(self, ref: KeyRef, data: bytes) -> bytes:
        """AES-CMAC, 16 bytes, under a key of usage ``token``, ``receipt`` or ``dap`` (GPC 2.3.1 §C)."""
        ...

    def sign(self, key: str, data: bytes) -> bytes:
        """The signature of a token or load file under the private key of that label, in the scheme that its
        kind and size ask for (``tegata.applets.security_domain.model.signatures``)."""
        ...

    def public_key(self, key: str) -> bytes:
        """The public half of the private key of that label, as a SubjectPublicKeyInfo in DER (RFC 5280)."""
        ...

    def encrypt_dgi(self, dek: KeyRef | ChannelDek, value: KeyRef) -> bytes:
        """A key, PIN or PUK of the ring, encrypted under the static DEK for a STORE DATA DGI.

        A PIN or PUK is 8 bytes as the card holds it (ASCII, padded with FF), then padded with
        ``80 00…`` to 16 (GPC 2.3.1 §11.11 leaves padding to the application; facts §2.5).
        """
        ...

    def encrypt_dgi_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        """As :meth:`encrypt_dgi`, for a value that a person typed (a PIN)."""
        ...

    def encrypt_value(self, dek: KeyRef | ChannelDek, value: Secret) -> bytes:
        """A value of whole cipher blocks, as it is, under the channel's DEK: data of an application that says
        itself how it is padded (GPC 2.3.1 §11.11.3.2). Raises InputError ``keyring.reference`` for another
        length."""
        ...

    def management_response(self, ref: KeyRef, witness: bytes, host_challenge: bytes) -> tuple[bytes, bytes]:
        """PIV 9B mutual authentication (SP 800-73-5 part 2 §3.2.4): the decrypted witness, and the
        encrypted host challenge to expect from the card."""
        ...

    def badge_cryptogram(self, ref: KeyRef, data: bytes) -> bytes:
        """AES-CMAC under a badge or site key over ``data`` (docs/protocols/entry-badge.md)."""
        ...

    def reveal_pin(self, ref: KeyRef) -> Secret:
        """A PIN or PUK that the ring made, for the holder's PIN letter. Refused for keys."""
        ...

    def reveal_device_key(self, ref: KeyRef) -> Secret:
        """The derived key of one peripheral (usage and scheme ``osdp-scbk``), for the library that speaks
        with it: OSDP makes its session keys where the line is. Refused for every other key."""
        ...


def open_reader(url: str) -> Reader:
    """The reader that ``scheme:rest`` names. Raises ReaderError ``reader.scheme`` for an unknown scheme."""
    scheme, _, rest = url.partition(":")
    found = {point.name: point for point in entry_points(group=READERS)}
    if (not rest and scheme != "pcsc") or scheme not in found:
        raise ReaderError("reader.scheme", url=url, known=", ".join(sorted(found)))
    reader: Reader = found[scheme].load()(rest)
    return reader


def open_keyring(url: str) -> KeyRing:
    """The key ring that ``scheme:rest`` names. Raises InputError ``keyring.scheme`` for an unknown scheme."""
    scheme, _, rest = url.partition(":")
    found = {point.name: point for point in entry_points(group=KEYRINGS)}
    if not rest or scheme not in found:
        raise InputError("keyring.scheme", url=url, known=", ".join(sorted(found)))
    ring: KeyRing = found[scheme].load()(rest)
    return ring
