"""How a card's memory is written at its making: registry entries, files, PINs, keys."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ..apps import card_manager
from ..card.registry import Kind, LifeCycle, Privilege, RegistryEntry, entry_key

__all__ = ["Memory", "application", "file", "pin", "pkcs8"]

Memory = dict[str, bytes]


def application(
    aid: bytes, model: str, *, order: int, content: Memory, kind: Kind = Kind.APPLICATION
) -> Memory:
    """An entry of the registry and the memory of its instance."""
    domain = kind is Kind.ISSUER_DOMAIN
    entry = RegistryEntry(
        aid=aid,
        kind=kind,
        life_cycle=LifeCycle.CARD_SECURED if domain else LifeCycle.SELECTABLE,
        privileges=Privilege.SECURITY_DOMAIN if domain else 0,
        model=model,
        order=order,
        domain=b"" if domain else card_manager.AID,
    )
    return {
        entry_key(aid): entry.to_bytes(),
        **{f"app/{aid.hex()}/{name}": value for name, value in content.items()},
    }


def file(number: int, content: bytes) -> Memory:
    return {f"ef/{number:04x}": content}


def pin(number: int, value: bytes, tries: int) -> Memory:
    return {f"pin/{number:04x}": value, f"tries/{number:04x}": bytes((tries,))}


def pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
