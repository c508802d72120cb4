"""Commands of content management before they are sent: what a token signs and what a receipt must say.

GPC 2.3.1 §11.2 (DELETE), §11.5 (INSTALL). A :class:`Request` is the command without a token, so that a token
can be made for it elsewhere, by whoever has the right to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....apdu.command import Command
from ....apdu.tlv import Tlv
from . import Ins, Install, Privilege, Tag, lv, receipts
from .tokens import ControlReference, find_control_reference, join_fields, token_input

__all__ = [
    "Request",
    "delete_request",
    "extradition_request",
    "install_request",
    "load_request",
    "make_selectable_request",
    "personalization_request",
    "privilege_bytes",
    "update_request",
]

SHORT_DATA_MAX = 255
RELATED = 0x80
FIRST_OF_COMBINED, LAST_OF_COMBINED = 0x01, 0x03


@dataclass(frozen=True, slots=True)
class Request:
    """One INSTALL or DELETE. ``data`` has no token; ``context`` is what its receipt signs besides the
    confirmation; ``numbered``: the token has a number, which the receipt repeats."""

    ins: int
    p1: int
    p2: int
    data: bytes
    context: bytes = b""
    numbered: bool = False

    @property
    def token_input(self) -> bytes:
        """What a token for this command signs (GPC 2.3.1 §C.4)."""
        return token_input(self.p1, self.p2, self.data)

    def command(self, token: bytes = b"") -> Command:
        """The command with its token, in the extended form when it is longer than a short one."""
        tail = lv(token)
        if self.ins == Ins.DELETE:
            tail = bytes(Tlv(Tag.TOKEN, token)) if token else b""
        data = self.data + tail
        extended = len(data) > SHORT_DATA_MAX
        return Command(
            0x80, self.ins, self.p1, self.p2, data, le=65536 if extended else 256, extended=extended
        )


def load_request(
    package: bytes, domain: bytes, digest: bytes, parameters: bytes = b"", *, combined: bool = False
) -> Request:
    """INSTALL [for load]; ``combined`` for the first of load, install and make selectable in one.

    Its receipt comes with the last LOAD, or with the last INSTALL of the combination.
    """
    kind = Install.LOAD_INSTALL_AND_MAKE_SELECTABLE if combined else Install.FOR_LOAD
    data = join_fields(package, domain, digest, parameters)
    context = b"" if combined else receipts.load_context(package, domain)
    p2 = FIRST_OF_COMBINED if combined else 0
    return Request(Ins.INSTALL, kind, p2, data, context, _numbered(parameters))


def install_request(
    package: bytes,
    module: bytes,
    instance: bytes,
    privileges: Privilege = Privilege.NONE,
    parameters: bytes = b"",
    *,
    selectable: bool = True,
    combined_in: bytes | None = None,
) -> Request:
    """INSTALL [for install], with or without [make selectable].

    ``combined_in`` is the domain of the load when this ends load, install and make selectable in one.
    """
    kind = Install.INSTALL_AND_MAKE_SELECTABLE if selectable else Install.FOR_INSTALL
    p2, context = 0, receipts.install_context(package, instance)
    if combined_in is not None:
        kind, p2 = Install.LOAD_INSTALL_AND_MAKE_SELECTABLE, LAST_OF_COMBINED
        context = receipts.combined_context(package, instance, combined_in)
    data = join_fields(package, module, instance, privilege_bytes(privileges), parameters)
    return Request(Ins.INSTALL, kind, p2, data, context, _numbered(parameters))


def make_selectable_request(
    instance: bytes,
    privileges: Privilege = Privilege.NONE,
    parameters: bytes = b"",
    *,
    package: bytes = b"",
) -> Request:
    """INSTALL [for make selectable]; with ``CARD_RESET`` the application that a bare reset selects.

    ``package`` only matters for the receipt.
    """
    data = join_fields(b"", b"", instance, privilege_bytes(privileges), parameters)
    context = receipts.install_context(package, instance)
    return Request(Ins.INSTALL, Install.MAKE_SELECTABLE, 0, data, context, _numbered(parameters))


def extradition_request(old: bytes, aid: bytes, new: bytes, parameters: bytes = b"") -> Request:
    """INSTALL [for extradition] of an application or package from domain ``old`` to ``new``."""
    data = join_fields(new, b"", aid, b"", parameters)
    context = receipts.extradition_context(old, aid, new)
    return Request(Ins.INSTALL, Install.FOR_EXTRADITION, 0, data, context, _numbered(parameters))


def update_request(
    aid: bytes,
    privileges: Privilege | None = None,
    parameters: bytes = b"",
    *,
    old: bytes = b"",
    new: bytes = b"",
) -> Request:
    """INSTALL [for registry update]: other privileges (None: as they are), another domain ``new``.

    ``old`` is the domain that the application belongs to now; it stands in the receipt.
    """
    raw = b"" if privileges is None else privilege_bytes(privileges)
    data = join_fields(new, b"", aid, raw, parameters)
    context = receipts.update_context(old, aid, new, raw, parameters)
    return Request(Ins.INSTALL, Install.REGISTRY_UPDATE, 0, data, context, _numbered(parameters))


def personalization_request(aid: bytes) -> Request:
    """INSTALL [for personalization]; it has neither token nor receipt (GPC 2.3.1 §11.5.2.3.7)."""
    return Request(Ins.INSTALL, Install.FOR_PERSONALIZATION, 0, join_fields(b"", b"", aid, b"", b""))


def delete_request(
    aids: Sequence[bytes], *, related: bool = False, reference: ControlReference | None = None
) -> Request:
    """DELETE of one AID, or of several where a card takes that; ``related`` also what hangs on a package."""
    data = b"".join(bytes(Tlv(Tag.REGISTRY_AID, aid)) for aid in aids)
    numbered = reference is not None and bool(reference.number)
    if reference is not None:
        data += bytes(reference)
    context = b"".join(receipts.delete_context(aid) for aid in aids)
    return Request(Ins.DELETE, 0, RELATED if related else 0, data, context, numbered)


def privilege_bytes(privileges: Privilege) -> bytes:
    """One byte when that is enough: older cards take no more (GPC 2.3.1 §11.1.2)."""
    raw = int(privileges).to_bytes(3, "big")
    return raw if any(raw[1:]) else raw[:1]


def _numbered(parameters: bytes) -> bool:
    """Whether the parameters hold a token number; what is not data objects has none."""
    try:
        reference = find_control_reference(parameters)
    except ValueError:
        return False
    return reference is not None and bool(reference.number)
