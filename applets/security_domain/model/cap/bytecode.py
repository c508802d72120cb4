"""Classes and bytecode of a written package: applets that do nothing (JCVM 3.1 §6.9, §6.10).

An applet class has a constructor that registers, ``install``, and an empty ``process``; a library has one
class with a constructor. Methods of nothing but ``nop`` bring the package to the wanted size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .draft import FRAMEWORK, JAVA_LANG, CapDraft

__all__ = ["Class", "Code", "Method", "lay_out"]

PUBLIC, STATIC, ABSTRACT_INTERFACE, INIT = 0x01, 0x08, 0xC0, 0x80
NO_TOKEN = 0xFF
EXTERNAL = 0x80
OBJECT, SHAREABLE, APPLET = 0, 2, 3  # class tokens in java.lang and javacard.framework
APPLET_INIT, APPLET_REGISTER, APPLET_PROCESS = 0, 1, 7  # method tokens
LONGEST_FILLER = 30_000  # a method has at most 32767 bytes
SHORTEST_FILLER = 3
BLOCK_LIMIT, COMPACT_LIMIT = 60_000, 0xFFFF
"""Bytes of filling in one method block, and in a Method component of the compact format."""

RETURN, NOP, ALOAD_0, POP, DUP = 0x7A, 0x00, 0x18, 0x3B, 0x3D
INVOKEVIRTUAL, INVOKESPECIAL, NEW = 0x8B, 0x8C, 0x8F


@dataclass(slots=True)
class Method:
    """A method as it lies in Method and as the Descriptor describes it; ``type_`` is its signature."""

    token: int
    flags: int
    header: bytes
    bytecode: bytes
    type_: str
    references: tuple[int, ...] = ()  # where in the bytecode indices of constants stand
    block: int = 0
    offset: int = 0

    @property
    def data(self) -> bytes:
        return self.header + self.bytecode


@dataclass(slots=True)
class Class:
    """A class or (``interface``) a shareable interface, with its place in the Class component."""

    token: int
    methods: list[Method] = field(default_factory=list)
    interface: bool = False
    applet: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Code:
    """Methods in their blocks, classes, and constants with the types of what they name."""

    classes: tuple[Class, ...]
    blocks: tuple[tuple[Method, ...], ...]
    constants: tuple[bytes, ...]
    constant_types: tuple[str, ...]


VOID = "1"
INSTALL_TYPE = "B431"  # (byte[], short, byte)
PROCESS_TYPE = "6{apdu:04x}1"
APDU = 10


def lay_out(draft: CapDraft, filling: int, blocks: int) -> Code:
    """The code of a package with ``filling`` bytes of filling, in that many method blocks."""
    classes = _classes(draft)
    real = [item for item in classes if not item.interface]
    lead = filling if filling < SHORTEST_FILLER else 0
    layout: list[list[Method]] = [[method for item in real for method in item.methods]]
    last = layout[0][-1]
    last.bytecode = bytes((NOP,)) * lead + last.bytecode
    last.references = tuple(reference + lead for reference in last.references)
    for index, share in enumerate(_shares(filling - lead, blocks)):
        if index:
            layout.append([])
        fillers = [_filler(length) for length in _pieces(share)]
        layout[index] += fillers
        real[0].methods += fillers
    for number, block in enumerate(layout):
        offset = 1
        for method in block:
            method.block, method.offset = number, offset
            offset += len(method.data)
    constants, types = _constants(draft, real)
    return Code(tuple(classes), tuple(map(tuple, layout)), constants, types)


def _classes(draft: CapDraft) -> list[Class]:
    """Interfaces come first, then classes (JCVM 3.1 §6.9)."""
    found = []
    if draft.exported and draft.applets:
        found.append(Class(0, interface=True))
    offset = 0
    if draft.format >= (2, 2):
        offset = 2  # an empty signature pool
    for index in range(max(1, len(draft.applets))):
        exported = draft.exported and not draft.applets
        found.append(Class(0 if exported else NO_TOKEN, _methods(draft, index), applet=bool(draft.applets)))
    for item in found:
        item.offset = offset
        offset += len(class_info(draft, item))
    return found


def _methods(draft: CapDraft, index: int) -> list[Method]:
    """Constants of class ``index``: itself and its constructor, after the shared ones."""
    if not draft.applets:
        code = bytes((ALOAD_0, INVOKESPECIAL, 0, 0, RETURN))
        return [Method(0, PUBLIC | INIT, b"\x01\x10", code, VOID, (2,))]
    own, constructor = 2 + 2 * index, 3 + 2 * index
    init = bytes((ALOAD_0, INVOKESPECIAL, 0, 0, ALOAD_0, INVOKEVIRTUAL, 0, 1, RETURN))
    install = bytes((NEW, *own.to_bytes(2), DUP, INVOKESPECIAL, *constructor.to_bytes(2), POP, RETURN))
    apdu = (EXTERNAL | draft.token(FRAMEWORK)) << 8 | APDU
    return [
        Method(NO_TOKEN, PUBLIC | INIT, b"\x01\x10", init, VOID, (2, 6)),
        Method(0, PUBLIC | STATIC, b"\x02\x30", install, INSTALL_TYPE, (1, 5)),
        Method(APPLET_PROCESS, PUBLIC, b"\x00\x20", bytes((RETURN,)), PROCESS_TYPE.format(apdu=apdu)),
    ]


def _filler(length: int) -> Method:
    code = bytes((NOP,)) * (length - SHORTEST_FILLER) + bytes((RETURN,))
    return Method(NO_TOKEN, STATIC, b"\x00\x00", code, VOID)


def _shares(total: int, blocks: int) -> list[int]:
    """Filling of each block; every block but the first needs a method."""
    if total < SHORTEST_FILLER * (blocks - 1):
        raise ValueError(f"{blocks} method blocks need more bytes")
    shares, limit = [], BLOCK_LIMIT if blocks > 1 else COMPACT_LIMIT
    for left in range(blocks, 0, -1):
        share = min(limit, total - SHORTEST_FILLER * (left - 1))
        shares.append(share)
        total -= share
    if total:
        raise ValueError("a package of this size needs the extended format")
    return shares


def _pieces(total: int) -> list[int]:
    """Lengths of methods that make up ``total`` bytes."""
    pieces = []
    while total:
        piece = min(total, LONGEST_FILLER)
        if 0 < total - piece < SHORTEST_FILLER:
            piece -= SHORTEST_FILLER
        pieces.append(piece)
        total -= piece
    return pieces


def _constants(draft: CapDraft, classes: list[Class]) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """Constants, and for each the type of what it names ("": a class has none)."""
    if not draft.applets:
        return (bytes((6, EXTERNAL | draft.token(JAVA_LANG), OBJECT, 0)),), (VOID,)
    framework = EXTERNAL | draft.token(FRAMEWORK)
    constants = [
        bytes((6, framework, APPLET, APPLET_INIT)),
        bytes((3, framework, APPLET, APPLET_REGISTER)),
    ]
    types = [VOID, VOID]
    for item in classes:
        constructor = item.methods[0]
        constants.append(b"\x01" + item.offset.to_bytes(2, "big") + b"\x00")
        constants.append(bytes((6, constructor.block)) + constructor.offset.to_bytes(2, "big"))
        types += ["", VOID]
    return tuple(constants), tuple(types)


def class_info(draft: CapDraft, item: Class) -> bytes:
    """``interface_info`` or ``class_info`` (JCVM 3.1 §6.9.2); the places of methods must be known."""
    if item.interface:
        return bytes((0xC1, EXTERNAL | draft.token(FRAMEWORK), SHAREABLE))
    if item.applet:
        super_class = bytes((EXTERNAL | draft.token(FRAMEWORK), APPLET))
        base, table = APPLET_PROCESS, [item.methods[2]]
    else:
        super_class = bytes((EXTERNAL | draft.token(JAVA_LANG), OBJECT))
        base, table = 1, []  # Object.equals has token 0
    raw = b"\x00" + super_class + bytes((0, NO_TOKEN, 0, base, len(table), 0, 0))
    raw += b"".join(place(draft, method) for method in table)
    if draft.format >= (2, 3):
        # public_virtual_method_token_mapping: tokens as they were; then the count of format 2.2.
        raw += bytes(range(base + len(table))) + bytes((base + len(table),))
    return raw


def place(draft: CapDraft, method: Method) -> bytes:
    """Where a method is, as other components write it: its block (extended format) and its offset."""
    block = bytes((method.block,)) if draft.extended else b""
    return block + method.offset.to_bytes(2, "big")
