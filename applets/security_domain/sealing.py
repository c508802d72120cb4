"""Values of STORE DATA encrypted for the card, under the DEK of the channel through which they go.

GPC 2.3.1 §11.11.3.2 and table 11-89 (which values), §E.4.7 (SCP02: 3DES, the session's DEK), Amendment D
§6.2.8 (SCP03: AES-CBC, the static K-DEK); SCP11 has S-DEK. How a value becomes whole cipher blocks is the
application's business, so that the person says it. The keys stay in the ring.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ...apdu.errors import InputError, Words
from ...apdu.ports import ChannelDek, KeyRing
from ...apdu.secret import Secret
from ...apdu.tlv import Tlv
from .model.dgi import Dgi, read_dgis
from .personalization import Encryption, Structure

__all__ = ["Padding", "Sealing"]

MARK = b"\x80"


class Padding(enum.StrEnum):
    """When 80 00… goes behind a value (ISO/IEC 9797-1 method 2), up to whole cipher blocks."""

    NEVER = "never"
    NEEDED = "needed"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Sealing:
    """Which values are encrypted: those under ``tags``, or all (none named); of raw data, the whole."""

    tags: frozenset[int] = frozenset()
    padding: Padding = Padding.NEVER

    @property
    def encryption(self) -> Encryption:
        """What P1 of STORE DATA says of it."""
        return Encryption.APPLICATION_DEPENDENT if self.tags else Encryption.ALL

    def check(self, data: Secret, structure: Structure) -> None:
        """Raises InputError ``gp.store_data`` for another structure, or a named tag that is not there."""
        self._rewrite(data.reveal(), structure, lambda value: value)

    def seal(self, data: Secret, structure: Structure, ring: KeyRing, dek: ChannelDek) -> bytes:
        """The stream with its values encrypted; lengths are those of the cryptograms.

        Raises InputError as :meth:`check`, and for a value that is no whole number of blocks.
        """

        def encrypt(value: bytes) -> bytes:
            with Secret(self._padded(value, dek.block)) as whole:
                return ring.encrypt_value(dek, whole)

        return self._rewrite(data.reveal(), structure, encrypt)

    def _padded(self, value: bytes, block: int) -> bytes:
        over = len(value) % block
        if self.padding is Padding.ALWAYS or (self.padding is Padding.NEEDED and over):
            value += MARK
            return value + bytes(-len(value) % block)
        if over or not value:
            raise _refused(
                f"a value of {len(value)} bytes is no whole number of blocks of {block}",
                f"{len(value)} バイトの値は {block} バイトのブロックに合いません",
            )
        return value

    def _rewrite(self, raw: bytes, structure: Structure, change: Callable[[bytes], bytes]) -> bytes:
        match structure:
            case Structure.NONE:
                if self.tags:
                    raise _refused("raw data has no tags", "raw データにタグはありません")
                return change(raw)
            case Structure.BER_TLV:
                objects = _objects(raw)
                self._check_tags({tlv.tag for tlv in objects})
                return b"".join(bytes(Tlv(o.tag, self._changed(o.tag, o.value, change))) for o in objects)
            case Structure.DGI:
                groupings, rest = read_dgis(raw)
                if rest or not groupings:
                    raise _refused("it is no stream of data groupings", "DGI の並びではありません")
                self._check_tags({dgi.tag for dgi in groupings})
                return b"".join(bytes(Dgi(d.tag, self._changed(d.tag, d.value, change))) for d in groupings)

    def _changed(self, tag: int, value: bytes, change: Callable[[bytes], bytes]) -> bytes:
        return value if self.tags and tag not in self.tags else change(value)

    def _check_tags(self, there: set[int]) -> None:
        missing = ", ".join(f"{tag:X}" for tag in sorted(self.tags - there))
        if missing:
            raise _refused(f"it has no {missing} to encrypt", f"暗号化する {missing} がありません")


def _objects(raw: bytes) -> list[Tlv]:
    try:
        objects = Tlv.parse_all(raw)
    except ValueError:
        objects = []
    if not objects:
        raise _refused("it is no series of BER-TLV data objects", "BER-TLV データオブジェクトではありません")
    return objects


def _refused(en: str, ja: str) -> InputError:
    return InputError("gp.store_data", what=Words(en, ja))
