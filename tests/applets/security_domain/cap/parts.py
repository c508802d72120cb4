"""A load file taken apart, so that tests can spoil one part and put the rest together as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tegata.applets.security_domain.model.cap import CapDraft, Kind, draft_components

__all__ = ["Parts"]

ORDER = (1, 2, 4, 3, 6, 7, 8, 10, 5, 9, 13, 11, 12)
WIDE = (7, 9, 11, 12)


@dataclass
class Parts:
    """Contents by tag. Sizes in the Directory follow the contents unless ``relist`` is off."""

    info: dict[int, bytearray]
    minor: int
    extended: bool
    relist: bool = True
    order: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, draft: CapDraft) -> Parts:
        components = draft_components(draft)
        info = {one.tag: bytearray(one.data[one.info_at :]) for one in components}
        return cls(info, draft.format.minor, draft.extended, order=[one.tag for one in components])

    def edit(self, tag: int, change: Callable[[bytearray], object]) -> None:
        change(self.info[tag])

    def put(self, tag: int, offset: int, value: str) -> None:
        """Overwrite bytes of a content."""
        raw = bytes.fromhex(value)
        assert offset + len(raw) <= len(self.info[tag])
        self.info[tag][offset : offset + len(raw)] = raw

    def width(self, tag: int) -> int:
        return 4 if tag == Kind.STATIC_RESOURCES or (self.extended and (tag in WIDE or tag > 127)) else 2

    def __bytes__(self) -> bytes:
        if self.relist:
            self._list_sizes()
        raw = b""
        for tag in self.order:
            size = self.sizes.get(tag, len(self.info[tag]))
            raw += bytes((tag,)) + size.to_bytes(self.width(tag), "big") + self.info[tag]
        return raw

    def _list_sizes(self) -> None:
        at = 0
        for tag in range(1, 11 + self.minor):
            width = self.width(tag)
            size = len(self.info[tag]) if tag in self.order else 0
            self.info[2][at : at + width] = size.to_bytes(width, "big")
            at += width
