"""Code and data of a package: Method, ConstantPool, RefLocation, StaticField, Class and StaticResources.

What is checked is that counts, offsets and tokens stay inside what they point into, as a card must before it
links a package; bytecode is not verified (JCVM 3.1 §6.8 to §6.12, §6.16).
"""

from __future__ import annotations

from dataclasses import dataclass

from .fields import Fields, Version
from .header import StaticSizes
from .stream import Component

__all__ = [
    "MethodBlock",
    "Methods",
    "StaticFields",
    "check_class",
    "check_reference_locations",
    "check_static_resources",
    "count_constants",
]

HANDLER_SIZE = 8
CONSTANT_KINDS = range(1, 7)
EXTERNAL = 0x80
ELEMENT_SIZES = {2: 1, 3: 1, 4: 2, 5: 4}
"""Type of a static array (boolean, byte, short, int) to bytes of an element (JCVM 3.1 table 6-13)."""
MAX_RESOURCE = 32767


@dataclass(frozen=True, slots=True)
class MethodBlock:
    """Exception handlers and methods that 16-bit offsets reach; the compact format has one block."""

    size: int
    handlers: int

    def holds(self, offset: int, length: int = 1) -> bool:
        """Whether ``length`` bytes at ``offset`` lie among the methods."""
        return 1 + HANDLER_SIZE * self.handlers <= offset and offset + length <= self.size


@dataclass(frozen=True, slots=True)
class Methods:
    blocks: tuple[MethodBlock, ...]

    def holds(self, block: int, offset: int, length: int = 1) -> bool:
        return block < len(self.blocks) and self.blocks[block].holds(offset, length)

    @classmethod
    def parse(cls, component: Component, constants: int, *, extended: bool) -> Methods:
        fields = component.fields()
        if not extended:
            return cls((_block(fields, component.size, constants),))
        # method_component_extended: offsets of the blocks into the content, then the blocks.
        begin = fields.at
        count = fields.u1("the number of method blocks")
        if not count:
            raise fields.error("there is no method block", begin)
        places = [fields.at] * count
        starts = []
        for index in range(count):
            places[index] = fields.at
            starts.append(fields.u4("the offset of a method block"))
        blocks = []
        for index, start in enumerate(starts):
            end = starts[index + 1] if index + 1 < count else component.size
            if start != fields.at - component.info_at or not start < end <= component.size:
                raise fields.error(
                    f"method block {index} begins at {start} and ends at {end} of {component.size} bytes, "
                    f"where {fields.at - component.info_at} is next",
                    places[index],
                )
            blocks.append(_block(fields, end - start, constants))
        return cls(tuple(blocks))


def _block(fields: Fields, size: int, constants: int) -> MethodBlock:
    begin = fields.at
    count = fields.u1("the number of exception handlers")
    if 1 + HANDLER_SIZE * count > size:
        raise fields.error(f"{count} exception handlers do not fit into {size} bytes", begin)
    for _ in range(count):
        at = fields.at
        start, active = fields.u2("a start"), fields.u2("an active range") & 0x7FFF
        handler, catches = fields.u2("a handler"), fields.u2("a catch type")
        if start + active > size or handler >= size:
            raise fields.error("an exception handler reaches beyond the methods", at)
        if catches and catches >= constants:
            raise fields.error(f"an exception handler names constant {catches} of {constants}", at)
    fields.take(size - 1 - HANDLER_SIZE * count, "the methods")
    return MethodBlock(size, count)


def count_constants(component: Component, imports: int) -> int:
    """The number of constants, each of a known kind, and none of a package that is not imported."""
    fields = component.fields()
    count = fields.u2("the number of constants")
    for index in range(count):
        begin = fields.at
        kind = fields.u1("the kind of a constant")
        if kind not in CONSTANT_KINDS:
            raise fields.error(f"constant {index} is of kind {kind}; 1 to 6 are known", begin)
        token = fields.take(3, "a constant")[0]
        if token & EXTERNAL and token & 0x7F >= imports:
            raise fields.error(
                f"constant {index} refers to imported package {token & 0x7F} of {imports}", begin
            )
    fields.end()
    return count


@dataclass(frozen=True, slots=True)
class StaticFields:
    """The image of static fields: references first, then primitive values (JCVM 3.1 §6.11)."""

    sizes: StaticSizes
    references: int
    values: bytes

    @classmethod
    def parse(cls, component: Component) -> StaticFields:
        fields = component.fields()
        begin = fields.at
        image = fields.u2("the size of the image")
        references = fields.u2("the number of references")
        at = fields.at
        arrays = fields.u2("the number of initialised arrays")
        if arrays > references:
            raise fields.error(f"{arrays} initialised arrays of {references} references", at)
        array_bytes = sum(_array(fields) for _ in range(arrays))
        zeroes = fields.u2("the number of default values")
        values = fields.take(fields.u2("the number of other values"), "the other values")
        fields.end()
        if image != 2 * references + zeroes + len(values):
            raise fields.error(
                f"the image has {image} bytes, but 2 × {references} + {zeroes} + {len(values)} are described",
                begin,
            )
        return cls(StaticSizes(image, arrays, array_bytes), references, values)


def _array(fields: Fields) -> int:
    begin = fields.at
    kind = fields.u1("the type of an array")
    if kind not in ELEMENT_SIZES:
        raise fields.error(f"an array of type {kind}; 2 to 5 are known", begin)
    count = fields.u2("the size of an array")
    if count % ELEMENT_SIZES[kind]:
        raise fields.error(f"an array of {count} bytes with elements of {ELEMENT_SIZES[kind]}", begin)
    fields.take(count, "an array")
    return count


def check_class(component: Component, format_: Version) -> None:
    """The signature pool lies inside the component; classes are reached by offsets alone."""
    fields = component.fields()
    if format_ >= (2, 2):
        fields.take(fields.u2("the size of the signature pool"), "the signature pool")
    if not component.size:
        raise fields.error("it is empty")


def check_reference_locations(component: Component, methods: Methods, *, extended: bool) -> None:
    """The places in Method that hold indices of constants; each is a step from the one before."""
    fields = component.fields()
    if extended:
        begin = fields.at
        count = fields.u1("the number of blocks")
        if count != len(methods.blocks):
            raise fields.error(f"{count} blocks for {len(methods.blocks)} method blocks", begin)
    for block in methods.blocks:
        for width in (1, 2):
            begin = fields.at
            steps = fields.take(fields.u2("the number of places"), "the places")
            if steps and sum(steps) + width > block.size:
                raise fields.error(f"a place lies at {sum(steps)} in {block.size} bytes of methods", begin)
    fields.end()


def check_static_resources(component: Component) -> None:
    """Resources by number, each at most 32767 bytes."""
    fields = component.fields()
    begin = fields.at
    count = fields.u2("the number of resources")
    if not count:
        raise fields.error("there is no resource", begin)
    numbers, sizes = set(), []
    for _ in range(count):
        begin = fields.at
        number, size = fields.u2("the number of a resource"), fields.u4("the size of a resource")
        if number in numbers:
            raise fields.error(f"resource {number} stands twice", begin)
        if size > MAX_RESOURCE:
            raise fields.error(
                f"resource {number} has {size} bytes; at most {MAX_RESOURCE} are allowed", begin
            )
        numbers.add(number)
        sizes.append(size)
    for size in sizes:
        fields.take(size, "a resource")
    fields.end()
