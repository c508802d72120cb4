"""Card recognition data ``66`` and card capabilities ``67`` (GPC 2.3.1 §H.2 to §H.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...apdu.errors import MalformedResponse
from ...apdu.tlv import Tlv
from .model import GLOBALPLATFORM_OID, Tag
from .results import read_objects

__all__ = [
    "Capabilities",
    "CardData",
    "ProtocolSupport",
    "SecureProtocol",
    "oid_text",
    "parse_capabilities",
    "parse_card_data",
    "protocol_options",
]

WHERE_DATA, WHERE_CAPABILITIES = "card data", "card capabilities"
SCP11, ARC_BITS = 0x11, 0x7F
OID, VERSION_TEMPLATE, IDENTIFICATION, PROTOCOLS = 0x06, 0x60, 0x63, 0x64
CONFIGURATION, CHIP, TRUST_POINT, CERTIFICATE = 0x65, 0x66, 0x67, 0x68

# Bits of the parameter i: GPC 2.3.1 table E-1; Amendment D table 5-1; Amendment F for SCP11.
SCP01_OPTIONS = {0x05: "explicit initiation", 0x10: "ICV encryption"}
SCP02_OPTIONS = {
    0x01: "three keys",
    0x02: "C-MAC on the unmodified command",
    0x04: "explicit initiation",
    0x08: "ICV set to MAC over AID",
    0x10: "ICV encryption for C-MAC",
    0x20: "R-MAC",
    0x40: "well-known pseudo-random challenge",
}
SCP03_OPTIONS = {0x01: "S16", 0x10: "pseudo-random challenge", 0x20: "R-MAC", 0x40: "R-ENC"}
SCP11_OPTIONS = {
    0x01: "SCP11a",
    0x02: "SCP11b",
    0x04: "keeps PK.OCE.ECKA",
    0x08: "certificate chains",
    0x10: "SCP11c",
    0x20: "SCP11c authorisation",
    0x40: "S16",
    0x0100: "SCP11a authorisation",
    0x0200: "X.509 certificates",
    0x0400: "no GlobalPlatform certificates",
}
OPTIONS: Mapping[int, Mapping[int, str]] = {
    1: SCP01_OPTIONS,
    2: SCP02_OPTIONS,
    3: SCP03_OPTIONS,
    SCP11: SCP11_OPTIONS,
}

HASHES = {1: "sha1", 2: "sha256", 3: "sha384", 4: "sha512"}
AES_SIZES = {0x01: 128, 0x02: 192, 0x04: 256}
LOAD_FILE_CIPHERS = {0x01: "3DES", 0x02: "AES-128", 0x04: "AES-192", 0x08: "AES-256", 0x80: "ICV"}
SUITES = {
    0x01: "RSA-1024-SHA1",
    0x02: "RSA-PSS-SHA256",
    0x04: "DES-MAC",
    0x08: "CMAC-AES-128",
    0x10: "CMAC-AES-192",
    0x20: "CMAC-AES-256",
    0x40: "ECDSA-P256",
    0x80: "ECDSA-P384",
    0x0100: "ECDSA-512",
    0x0200: "ECDSA-P521",
}
"""Signature suites; the second byte's bits are counted from 0100."""


class SecureProtocol(NamedTuple):
    """A secure channel protocol and its parameter i: SCP02, SCP03, SCP11 are 2, 3 and 0x11.

    For SCP11 the first byte of i stands lowest; the bit that only says "another byte follows" is left out.
    """

    number: int
    i: int

    @property
    def options(self) -> tuple[str, ...]:
        """The bits of i in words."""
        return protocol_options(self.number, self.i)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"scp": f"{self.number:02X}", "i": f"{self.i:02X}", "options": list(self.options)}


def protocol_options(number: int, i: int) -> tuple[str, ...]:
    """What the parameter ``i`` of SCP ``number`` says; bits that no standard names are left out."""
    return tuple(name for bit, name in OPTIONS.get(number, {}).items() if i & bit == bit)


@dataclass(frozen=True, slots=True)
class CardData:
    """Card recognition data: the GlobalPlatform version, secure channels, and object identifiers of the
    card's configuration (``65``), chip (``66``), trust point (``67``) and certificates (``68``)."""

    version: str
    protocols: tuple[SecureProtocol, ...]
    identification: str = ""
    configuration: tuple[str, ...] = ()
    chip: tuple[str, ...] = ()
    trust_point: tuple[str, ...] = ()
    certificate: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; what the card does not tell is left out."""
        names = ("configuration", "chip", "trust_point", "certificate")
        return {
            "version": self.version,
            "protocols": [protocol.to_json() for protocol in self.protocols],
            **({"identification": self.identification} if self.identification else {}),
            **{name: list(getattr(self, name)) for name in names if getattr(self, name)},
        }


def parse_card_data(raw: bytes) -> CardData:
    """The content of ``66`` (GPC 2.3.1 §H.2), or that of ``73`` alone. Raises MalformedResponse."""
    objects = read_objects(raw, WHERE_DATA)
    recognition = next((tlv for tlv in objects if tlv.tag == Tag.CARD_RECOGNITION), None)
    if recognition is not None:
        objects = read_objects(recognition.value, WHERE_DATA)
    version, identification = "", ""
    protocols: list[SecureProtocol] = []
    others: dict[int, list[str]] = {tag: [] for tag in (CONFIGURATION, CHIP, TRUST_POINT, CERTIFICATE)}
    for template in objects:
        if template.tag in (VERSION_TEMPLATE, IDENTIFICATION, PROTOCOLS):
            for arcs in _globalplatform_arcs(template):
                if template.tag == VERSION_TEMPLATE and arcs[:1] == [2]:
                    version = ".".join(str(arc) for arc in arcs[1:])
                elif template.tag == IDENTIFICATION:
                    identification = ".".join(str(arc) for arc in arcs)
                elif template.tag == PROTOCOLS and arcs[:1] == [4] and len(arcs) == 3:
                    protocols.append(_protocol(arcs[1], arcs[2]))
        elif template.tag in others:
            others[template.tag] += _described(template)
    names = (tuple(others[tag]) for tag in (CONFIGURATION, CHIP, TRUST_POINT, CERTIFICATE))
    return CardData(version, tuple(protocols), identification, *names)


def _globalplatform_arcs(template: Tlv) -> list[list[int]]:
    """Arcs behind 1.2.840.114283 of the object identifiers in a template; others are left out."""
    return [
        _arcs(oid.value.removeprefix(GLOBALPLATFORM_OID))
        for oid in read_objects(template.value, WHERE_DATA)
        if oid.tag == OID and oid.value.startswith(GLOBALPLATFORM_OID)
    ]


def _protocol(number: int, coded: int) -> SecureProtocol:
    """The two bytes of SCP11's i are the two groups of seven bits of its object identifier's last arc."""
    if number == SCP11 and coded > ARC_BITS:
        coded = coded >> 7 & ARC_BITS | (coded & ARC_BITS) << 8
    return SecureProtocol(number, coded)


def _described(template: Tlv) -> list[str]:
    """Object identifiers of a template in dotted form; a template of something else as hex."""
    try:
        return [oid_text(tlv.value) for tlv in Tlv.parse_all(template.value) if tlv.tag == OID]
    except ValueError:
        return [template.value.hex().upper()]


def oid_text(raw: bytes) -> str:
    """An object identifier in dotted form (X.690 §8.19). Raises MalformedResponse."""
    first, *rest = _arcs(raw) or [0]
    head = min(first // 40, 2)
    return ".".join(str(arc) for arc in (head, first - 40 * head, *rest))


def _arcs(raw: bytes) -> list[int]:
    arcs, value = [], 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    if raw and raw[-1] & 0x80:
        raise MalformedResponse("an object identifier that is cut off", WHERE_DATA)
    return arcs


class ProtocolSupport(NamedTuple):
    """One secure channel protocol of the capabilities: its values of i, AES sizes in bits, TLS suites."""

    number: int
    i: tuple[int, ...]
    aes: tuple[int, ...] = ()
    tls: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; sizes and suites only when told."""
        told = {"aes": list(self.aes), "tls": [f"{suite:04X}" for suite in self.tls]}
        return {
            "scp": f"{self.number:02X}",
            "i": [f"{i:02X}" for i in self.i],
            **{name: value for name, value in told.items() if value},
        }


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Card capability information: names of what the card can; privileges as the three bytes told."""

    protocols: tuple[ProtocolSupport, ...] = ()
    domain_privileges: bytes = b""
    application_privileges: bytes = b""
    hashes: tuple[str, ...] = ()
    load_file_ciphers: tuple[str, ...] = ()
    token: tuple[str, ...] = ()
    receipt: tuple[str, ...] = ()
    dap: tuple[str, ...] = ()
    curves: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values; what the card does not tell is left out."""
        told: dict[str, Any] = {
            "protocols": [protocol.to_json() for protocol in self.protocols],
            "domain_privileges": self.domain_privileges.hex().upper(),
            "application_privileges": self.application_privileges.hex().upper(),
            **{
                name: list(getattr(self, name))
                for name in ("hashes", "load_file_ciphers", "token", "receipt", "dap")
            },
            "curves": [f"{curve:02X}" for curve in self.curves],
        }
        return {name: value for name, value in told.items() if value}


def parse_capabilities(raw: bytes) -> Capabilities:
    """The content of ``67`` (GPC 2.3.1 tables H-5 to H-10). Raises MalformedResponse."""
    objects = read_objects(raw, WHERE_CAPABILITIES)
    first: dict[int, bytes] = {}
    for tlv in objects:
        first.setdefault(tlv.tag, tlv.value)
    return Capabilities(
        protocols=tuple(_support(tlv) for tlv in objects if tlv.tag == 0xA0),
        domain_privileges=first.get(0x81, b""),
        application_privileges=first.get(0x82, b""),
        hashes=tuple(HASHES.get(number, f"{number:02X}") for number in first.get(0x83, b"")),
        load_file_ciphers=_bits(first.get(0x84, b""), LOAD_FILE_CIPHERS),
        token=_bits(first.get(0x85, b""), SUITES),
        receipt=_bits(first.get(0x86, b""), SUITES),
        dap=_bits(first.get(0x87, b""), SUITES),
        curves=tuple(first.get(0x88, b"")),
    )


def _support(template: Tlv) -> ProtocolSupport:
    told = {tlv.tag: tlv.value for tlv in read_objects(template.value, WHERE_CAPABILITIES)}
    number = int.from_bytes(told.get(0x80, b"")[:1], "big")
    sizes = int.from_bytes(told.get(0x82, b"")[:1], "big")
    suites = told.get(0x83, b"")
    return ProtocolSupport(
        number,
        tuple(told.get(0x81, b"")),
        tuple(size for bit, size in AES_SIZES.items() if sizes & bit),
        tuple(int.from_bytes(suites[at : at + 2], "big") for at in range(0, len(suites), 2)),
    )


def _bits(raw: Sequence[int], names: Mapping[int, str]) -> tuple[str, ...]:
    """Names of the bits that are set; the first byte is the lowest."""
    value = int.from_bytes(bytes(raw), "little")
    return tuple(name for bit, name in names.items() if value & bit)
