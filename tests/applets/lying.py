"""Links to simulated cards whose answers somebody changes on their way, and cards made by forgers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tegata.apdu import Command
from tegata.apdu.authenticity import Anchor, Anchors
from tegata.apdu.card import Card, CardProfile
from tegata.apdu.cvc import CardVerifiableCertificate, RsaPublicKey, key_id
from tegata.applets.mynumber_text import model as text
from tegata.applets.mynumber_visual import model as visual
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink
from tegata.simulators.pki.face import cvc_anchors

Memory = dict[str, bytes]
Lie = Callable[[Command, bytes], bytes]
TEXT, VISUAL = f"app/{text.AID.hex()}", f"app/{visual.AID.hex()}"


class LyingLink(SimulatedLink):
    """Counts commands and tries, and lets ``lie`` change the answers."""

    def __init__(self, card: SimulatedCard, lie: Lie | None = None) -> None:
        super().__init__(card)
        self._lie = lie
        self.commands: list[Command] = []
        self.resets = 0
        self.held = 0

    @property
    def pins_sent(self) -> int:
        return sum(command.ins == 0x20 and bool(command.data) for command in self.commands)

    def transmit(self, command: bytes) -> bytes:
        parsed = Command.parse(command)
        self.commands.append(parsed)
        true = super().transmit(command)
        return true if self._lie is None else self._lie(parsed, true)

    def reset(self) -> None:
        self.resets += 1
        super().reset()

    @contextmanager
    def exclusive(self) -> Any:
        self.held += 1
        try:
            with super().exclusive():
                yield
        finally:
            self.held -= 1


def put_in(memory: Memory, lie: Lie | None = None, **profile: Any) -> tuple[Card, LyingLink]:
    """A card with that memory in a reader."""
    link = LyingLink(SimulatedCard(MemoryStore(dict(memory))), lie)
    return Card(link, profile=CardProfile(**profile) if profile else None), link


def simulated_anchors() -> Anchors:
    """What a user who trusts this installation's test hierarchy would have in the folder."""
    return Anchors.of(Anchor.from_certificate("TEST root", found) for found in cvc_anchors())


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def signed(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), SHA256())


def pkcs8(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public(key: rsa.RSAPrivateKey) -> RsaPublicKey:
    return RsaPublicKey.of(key.public_key())


@dataclass
class Forger:
    """Makes data that fit each other under keys of the forger's own."""

    key: rsa.RSAPrivateKey = field(default_factory=new_key)
    issuer: bytes = field(default_factory=lambda: key_id("9999999", "001"))
    subject: bytes = field(default_factory=lambda: key_id("9999999", "001"))

    def certificate(self) -> bytes:
        body = self.issuer + self.subject + bytes(public(self.key))
        return bytes(
            CardVerifiableCertificate(self.issuer, self.subject, public(self.key), signed(self.key, body))
        )

    def text(self, memory: Memory, attributes: bytes) -> Memory:
        """The card's text application with other attributes, everything signed anew."""
        number = hashlib.sha256(memory[f"{TEXT}/ef/0001"]).digest()
        digest = hashlib.sha256(text.attributes_digest_input(attributes)).digest()
        unsigned = text.IssuerSignature(number, digest, b"")
        record = text.IssuerSignature(number, digest, signed(self.key, unsigned.signed))
        internal = new_key()
        keys = text.KeyRecord(public(internal), signed(self.key, bytes(public(internal))))
        return memory | {
            f"{TEXT}/ef/0002": attributes,
            f"{TEXT}/ef/0003": bytes(record),
            f"{TEXT}/ef/0004": self.certificate(),
            f"{TEXT}/ef/0007": bytes(keys),
            f"{TEXT}/ef/0013": pkcs8(internal),
        }

    def face(self, memory: Memory, **changes: Any) -> Memory:
        """The card's visual application with a changed face, everything signed anew."""
        face, internal = visual.CardFace.parse(memory[f"{VISUAL}/ef/0002"]), new_key()
        values = {name: getattr(face, name) for name in visual.CardFace.__slots__}
        values |= {**changes, "key": public(internal), "signature": bytes(256)}
        block = visual.FACE_DIGEST_INFO + visual.CardFace(**values).digests
        values["signature"] = raw_signature(self.key, block)
        return memory | {
            f"{VISUAL}/ef/0002": bytes(visual.CardFace(**values)),
            f"{VISUAL}/ef/0004": self.certificate(),
            f"{VISUAL}/ef/001a": pkcs8(internal),
        }


def raw_signature(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """The private operation on ``block`` in type 1 padding (RFC 8017 §9.2 steps 4 and 5)."""
    numbers = key.private_numbers()
    padded = b"\x00\x01" + b"\xff" * (253 - len(block)) + b"\x00" + block
    modulus = numbers.public_numbers.n
    return pow(int.from_bytes(padded, "big"), numbers.d, modulus).to_bytes(256, "big")


def instead(ins: int, answer: str) -> Lie:
    """``answer`` (hex) to every command of that instruction."""
    return lambda command, true: bytes.fromhex(answer) if command.ins == ins else true


def changing(ins: int, change: Callable[[bytes], bytes]) -> Lie:
    """The data of every good answer to that instruction, changed."""

    def lie(command: Command, true: bytes) -> bytes:
        if command.ins != ins or true[-2:] != b"\x90\x00":
            return true
        return change(true[:-2]) + true[-2:]

    return lie
