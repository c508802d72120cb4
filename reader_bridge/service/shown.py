"""Text that portals write and holders read before they agree (UTS #39, UTR #36).

What a holder cannot see must not be there: controls, marks that turn the direction of what follows,
characters without ink. Look-alike letters remain; against them the page shows the registered address.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["check_shown"]

JOINERS = "\u200c\u200d"
"""Zero-width, but parts of ordinary words and emoji."""
NO_INK = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and symbols that show nothing."""
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
HEAP = re.compile("m{5}|s{9}")
"""More marks on one letter, or spaces in a row, than any language writes."""


def check_shown(text: str) -> str:
    """The text, unchanged. Raises ValueError for one that hides something or shows nothing."""
    kinds = [unicodedata.category(character) for character in text]
    for character, kind in zip(text, kinds, strict=True):
        if character in NO_INK or (kind in HIDDEN and character not in JOINERS):
            raise ValueError(f"it holds the invisible character U+{ord(character):04X}")
    if HEAP.search("".join({"M": "m", "Z": "s"}.get(kind[0], "-") for kind in kinds)):
        raise ValueError("it heaps up marks or spaces")
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise ValueError("it shows nothing")
    return text
