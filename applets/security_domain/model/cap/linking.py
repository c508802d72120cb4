"""What a package needs and offers: Import, Applet, Export, Descriptor (JCVM 3.1 §6.6, §6.7, §6.13, §6.14)."""

from __future__ import annotations

from dataclasses import dataclass

from .code import Methods
from .fields import Fields
from .header import Header, Package
from .packages import package_name
from .stream import Component

__all__ = ["Applet", "Sections", "check_descriptor", "check_exports", "parse_applets", "parse_imports"]

MAX_IMPORTS = 128
STATIC = 0x08


@dataclass(frozen=True, slots=True)
class Applet:
    """An applet class: its AID (the module's) and where in Method its ``install`` method is."""

    aid: bytes
    install_offset: int
    install_block: int = 0


@dataclass(frozen=True, slots=True)
class Sections:
    """What offsets and counts of other components may point into."""

    header: Header
    methods: Methods
    constants: int
    class_size: int
    image_size: int

    def method(self, fields: Fields, what: str) -> tuple[int, int]:
        """Read a block (extended format) and an offset; raises CapError unless a method can begin there."""
        begin = fields.at
        block = fields.u1(f"the block of {what}") if self.header.extended else 0
        offset = fields.u2(f"the offset of {what}")
        if not self.methods.holds(block, offset):
            raise fields.error(f"{what} is said to be at {offset}, outside the methods", begin)
        return block, offset


def parse_imports(component: Component, header: Header) -> tuple[Package, ...]:
    fields = component.fields()
    begin = fields.at
    count = fields.u1("the number of packages")
    if count > MAX_IMPORTS:
        raise fields.error(f"{count} imported packages; at most {MAX_IMPORTS} have a token", begin)
    own = {package.aid for package in header.packages}
    found: dict[bytes, Package] = {}
    for _ in range(count):
        begin = fields.at
        package = Package.read(fields, "an imported package")
        if package.aid in own:
            raise fields.error(f"the package {package.aid.hex().upper()} imports itself", begin)
        if package.aid in found:
            raise fields.error(f"the package {package.aid.hex().upper()} is imported twice", begin)
        found[package.aid] = Package(package.aid, package.version, package_name(package.aid))
    fields.end()
    return tuple(found.values())


def parse_applets(component: Component, sections: Sections) -> tuple[Applet, ...]:
    fields = component.fields()
    begin = fields.at
    count = fields.u1("the number of applets")
    if not count:
        raise fields.error("there is no applet", begin)
    found: dict[bytes, Applet] = {}
    for _ in range(count):
        begin = fields.at
        aid = fields.aid("the AID of an applet")
        if aid in found:
            raise fields.error(f"the applet {aid.hex().upper()} stands twice", begin)
        block, offset = sections.method(fields, f"the install method of {aid.hex().upper()}")
        found[aid] = Applet(aid, offset, block)
    fields.end()
    return tuple(found.values())


def check_exports(component: Component, sections: Sections) -> None:
    fields = component.fields()
    extended = sections.header.extended
    if extended:
        begin = fields.at
        packages = fields.u1("the number of packages")
        if packages != len(sections.header.packages):
            raise fields.error(f"{packages} packages; the Header has {len(sections.header.packages)}", begin)
    for _ in range(packages if extended else 1):
        begin = fields.at
        classes = fields.u1("the number of classes")
        if not classes and not extended:
            raise fields.error("no class is exported", begin)
        for _ in range(classes):
            _exported_class(fields, sections)
    fields.end()


def _exported_class(fields: Fields, sections: Sections) -> None:
    begin = fields.at
    offset = fields.u2("the offset of a class")
    if offset >= sections.class_size:
        raise fields.error(f"a class is said to be at {offset} of {sections.class_size} bytes", begin)
    statics, methods = fields.u1("the number of static fields"), fields.u1("the number of static methods")
    for _ in range(statics):
        begin = fields.at
        offset = fields.u2("the offset of a static field")
        if offset >= sections.image_size:
            raise fields.error(f"a field is said to be at {offset} of {sections.image_size} bytes", begin)
    for _ in range(methods):
        sections.method(fields, "an exported method")


def check_descriptor(component: Component, sections: Sections) -> None:
    """Walk the classes with their fields and methods, then the types (JCVM 3.1 §6.14)."""
    fields = component.fields()
    packages = fields.u1("the number of packages") if sections.header.extended else 1
    for _ in range(packages):
        for _ in range(fields.u1("the number of classes")):
            _described_class(fields, sections)
    begin = fields.at
    count = fields.u2("the number of constants")
    if count != sections.constants:
        raise fields.error(f"{count} constants; ConstantPool has {sections.constants}", begin)
    fields.take(2 * count, "the types of constants")
    while fields.left:
        nibbles = fields.u1("the length of a type")
        fields.take((nibbles + 1) // 2, "a type")


def _described_class(fields: Fields, sections: Sections) -> None:
    fields.take(2, "token and flags of a class")
    begin = fields.at
    reference = fields.u2("the offset of a class")
    if reference >= sections.class_size:
        raise fields.error(f"a class is said to be at {reference} of {sections.class_size} bytes", begin)
    interfaces = fields.u1("the number of interfaces")
    members = fields.u2("the number of fields")
    methods = fields.u2("the number of methods")
    fields.take(2 * interfaces, "the interfaces")
    fields.take(7 * members, "the fields")
    for _ in range(methods):
        _described_method(fields, sections)


def _described_method(fields: Fields, sections: Sections) -> None:
    begin = fields.at
    fields.take(2, "token and flags of a method")
    block = fields.u1("the block of a method") if sections.header.extended else 0
    offset = fields.u2("the offset of a method")
    fields.take(2, "the type of a method")
    length = fields.u2("the number of bytecodes")
    handlers, first = fields.u2("the number of handlers"), fields.u2("the first handler")
    # A method of an interface has neither place nor bytecode; an abstract one has a place and no bytecode.
    if not length:
        return
    if not sections.methods.holds(block, offset, length):
        raise fields.error(f"a method of {length} bytes at {offset} lies outside the methods", begin)
    if handlers and first + handlers > sections.methods.blocks[block].handlers:
        raise fields.error(f"a method has {handlers} handlers from number {first} on", begin)
