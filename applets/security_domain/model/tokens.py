"""Tokens of delegated and authorised management, and load file signatures (GPC 2.3.1 §C.2 to §C.4).

A token is the signature over P1, P2, Lc and the data of a command as if it carried no token. The control
reference template ``B6`` in the command's parameters binds it to a card, a provider and a number.
``signatures`` signs and verifies; ``receipts`` holds the card's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....apdu.tlv import Tlv
from . import Install, Tag, lv, read_lv

__all__ = [
    "ControlReference",
    "DapBlock",
    "chained_token_input",
    "fields_of",
    "find_control_reference",
    "join_fields",
    "split_delete",
    "split_install",
    "token_input",
]

ONE_BYTE_MAX = 0xFF
LOAD_FIELDS, OTHER_FIELDS = 5, 6


@dataclass(frozen=True, slots=True)
class ControlReference:
    """Control reference template ``B6`` (GPC 2.3.1 table 11-23); empty parts are left out.

    ``issuer`` (42) and ``image`` (45) are those of the domain that verifies the token and bind it to a card,
    ``provider`` (5F20) names who owns the application, ``number`` (93) identifies the token itself.
    """

    issuer: bytes = b""
    image: bytes = b""
    provider: bytes = b""
    number: bytes = b""

    @property
    def _parts(self) -> tuple[tuple[int, bytes], ...]:
        return (
            (Tag.IIN, self.issuer),
            (Tag.CIN, self.image),
            (Tag.PROVIDER, self.provider),
            (Tag.TOKEN_NUMBER, self.number),
        )

    def __bytes__(self) -> bytes:
        parts = [Tlv(tag, value) for tag, value in self._parts if value]
        return bytes(Tlv.build(Tag.CONTROL_REFERENCE, parts))

    @classmethod
    def parse(cls, value: bytes) -> ControlReference:
        """Read the content of ``B6``. Raises ValueError for another or a second object of one kind."""
        names = {Tag.IIN: "issuer", Tag.CIN: "image", Tag.PROVIDER: "provider", Tag.TOKEN_NUMBER: "number"}
        found: dict[str, bytes] = {}
        for tlv in Tlv.parse_all(value):
            name = names.get(tlv.tag)  # type: ignore[call-overload]
            if name is None or name in found:
                raise ValueError(
                    f"{tlv.tag:X} does not belong into a control reference template, or not twice"
                )
            found[name] = tlv.value
        return cls(**found)

    def joined(self, other: ControlReference) -> ControlReference:
        """What two commands under one token say together. Raises ValueError for a contradiction."""
        parts = [*self._parts, *other._parts]
        said = {(tag, value) for tag, value in parts if value}
        if len({tag for tag, _ in said}) != len(said):
            raise ValueError("two control reference templates contradict each other")
        return ControlReference.parse(b"".join(bytes(Tlv(tag, value)) for tag, value in said))

    def to_json(self) -> dict[str, str]:
        """The parts that are there, as hex."""
        names = ("issuer", "image", "provider", "number")
        return {name: getattr(self, name).hex().upper() for name in names if getattr(self, name)}


def find_control_reference(parameters: bytes) -> ControlReference | None:
    """The ``B6`` among the parameters of INSTALL or the objects of DELETE, None when there is none.

    Raises ValueError for parameters that are not data objects.
    """
    found = next((tlv for tlv in Tlv.parse_all(parameters) if tlv.tag == Tag.CONTROL_REFERENCE), None)
    return None if found is None else ControlReference.parse(found.value)


def join_fields(*fields: bytes) -> bytes:
    """Fields of INSTALL, each with its length; the token, which comes last, is not among them."""
    return b"".join(lv(field) for field in fields)


def token_input(p1: int, p2: int, data: bytes) -> bytes:
    """What a token signs: P1, P2, the length of ``data`` and ``data``, which has no token (GPC 2.3.1 §C.4).

    ``data`` longer than 255 bytes (command chaining) has a length of three bytes, 00 first; P1 and P2 are
    then those of the last command.
    """
    size = len(data)
    length = bytes((size,)) if size <= ONE_BYTE_MAX else b"\x00" + size.to_bytes(2, "big")
    return bytes((p1, p2)) + length + data


def chained_token_input(commands: Iterable[tuple[int, int, bytes]]) -> bytes:
    """The input of one token for several commands (P1, P2, data), as load, install and make selectable
    in one (P1 0E) has it: their blocks one after another."""
    return b"".join(token_input(*command) for command in commands)


def fields_of(p1: int) -> int:
    """How many fields INSTALL with this P1 has, its token included."""
    return LOAD_FIELDS if p1 & ~Install.MORE == Install.FOR_LOAD else OTHER_FIELDS


def split_install(data: bytes, count: int) -> tuple[list[bytes], bytes, bytes]:
    """The fields of INSTALL without the token, the token, and the data that the token signs.

    ``count`` is the number of fields with the token: :func:`fields_of`. Raises ValueError.
    """
    fields: list[bytes] = []
    token, offset, signed = b"", 0, len(data)
    while offset < len(data) and len(fields) < count - 1:
        value, offset = read_lv(data, offset)
        fields.append(value)
    if offset < len(data):
        signed = offset
        token, offset = read_lv(data, offset)
    if offset != len(data):
        raise ValueError(f"{len(data) - offset} bytes follow the token")
    return fields + [b""] * (count - 1 - len(fields)), token, data[:signed]


def split_delete(data: bytes) -> tuple[Sequence[Tlv], bytes, bytes]:
    """The objects of DELETE without the token ``9E``, the token, and the data that it signs.

    Raises ValueError for anything that is not data objects, or a token that is not the last.
    """
    objects = Tlv.parse_all(data)
    if not objects or objects[-1].tag != Tag.TOKEN:
        if any(tlv.tag == Tag.TOKEN for tlv in objects):
            raise ValueError("the token of DELETE comes last")
        return objects, b"", data
    *objects, token = objects
    return objects, token.value, data[: len(data) - len(bytes(token))]


@dataclass(frozen=True, slots=True)
class DapBlock:
    """One load file signature ``E2`` before the load file data block (GPC 2.3.1 table 11-58, §C.3).

    ``domain`` verifies it; ``signature`` is over the load file data block hash.
    """

    domain: bytes
    signature: bytes

    def __bytes__(self) -> bytes:
        return bytes(
            Tlv.build(
                Tag.DAP_BLOCK,
                (Tlv(Tag.REGISTRY_AID, self.domain), Tlv(Tag.DAP_SIGNATURE, self.signature)),
            )
        )

    @classmethod
    def parse(cls, value: bytes) -> DapBlock:
        """Read the content of ``E2``. Raises ValueError."""
        objects = Tlv.parse_all(value)
        if [tlv.tag for tlv in objects] != [Tag.REGISTRY_AID, Tag.DAP_SIGNATURE]:
            raise ValueError("a DAP block has the AID of a security domain and a signature")
        return cls(objects[0].value, objects[1].value)
