"""STORE DATA in all its modes, to the domain itself or through it (GPC 2.3.1 §7.3.2, §11.11)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence

from ...apdu.command import Response, Span
from ...apdu.errors import CardError
from ...apdu.ports import ChannelDek, KeyRing, KeySet
from ...apdu.tlv import Tlv
from .domain import Domain, Progress
from .model import Ins, KeyType, requests
from .model.dgi import Dgi, cut

__all__ = [
    "Encryption",
    "Structure",
    "begin",
    "key_set_groupings",
    "store_chunks",
    "store_data",
    "store_objects",
    "store_raw",
]

Block = tuple[bytes, tuple[Span, ...]]
MAX_BLOCKS = 256
LAST_BLOCK, ANSWER_ALLOWED = 0x80, 0x01
DGI_KEYS, DGI_SYMMETRIC_KEY = 0x00B9, 0x8113
KEY_TYPES = {"aes": KeyType.AES, "3des": KeyType.DES}
KEY_USAGE = {1: 0x38, 2: 0x34, 3: 0x48}
"""Usage of K-ENC, K-MAC and K-DEK: encryption and MAC both ways, data decipherment (GPC 2.3.1 §11.1.9)."""


class Structure(enum.IntEnum):
    """How STORE DATA is built: bits 5 and 4 of P1 (GPC 2.3.1 table 11-89)."""

    NONE = 0x00
    DGI = 0x08
    BER_TLV = 0x10


class Encryption(enum.IntEnum):
    """Which values of STORE DATA are encrypted under the DEK: bits 7 and 6 of P1."""

    NONE = 0x00
    APPLICATION_DEPENDENT = 0x20
    ALL = 0x60


def begin(domain: Domain, instance: bytes) -> None:
    """INSTALL [for personalization]: STORE DATA reaches ``instance`` from now on, until the last block."""
    domain.contents.changed(instance)
    domain.card.expect(requests.personalization_request(instance).command())


def store_data(
    domain: Domain,
    groupings: Iterable[Dgi],
    *,
    encryption: Encryption = Encryption.APPLICATION_DEPENDENT,
    answer: bool = False,
    progress: Progress | None = None,
) -> Response:
    """Data groupings in as many blocks as they need; the answer to the last.

    ``answer`` says that the application may answer with data (case 4); cards refuse an unannounced answer.
    """
    return _send(domain, cut(groupings, domain.room), Structure.DGI | encryption, answer, progress)


def store_objects(
    domain: Domain,
    objects: Iterable[Tlv],
    *,
    encryption: Encryption = Encryption.NONE,
    answer: bool = False,
    progress: Progress | None = None,
) -> Response:
    """BER-TLV data objects, such as IIN ``42`` and CIN ``45`` of the domain itself."""
    stream = b"".join(bytes(tlv) for tlv in objects)
    return _send(domain, _pieces(stream, domain.room), Structure.BER_TLV | encryption, answer, progress)


def store_raw(
    domain: Domain,
    data: bytes,
    *,
    structure: Structure = Structure.NONE,
    encryption: Encryption = Encryption.NONE,
    answer: bool = False,
    secret: bool = False,
    progress: Progress | None = None,
) -> Response:
    """Bytes as they are, cut only where a block is full. ``secret`` keeps them out of traces."""
    blocks = _pieces(data, domain.room, secret=secret)
    return _send(domain, blocks, structure | encryption, answer, progress)


def store_chunks(
    domain: Domain,
    chunks: Sequence[bytes],
    *,
    structure: Structure = Structure.NONE,
    encryption: Encryption = Encryption.NONE,
    answer: bool = False,
    secret: bool = False,
    progress: Progress | None = None,
) -> Response:
    """Blocks that somebody else cut, sent one by one. Raises CardError ``gp.block_too_long``."""
    marks: tuple[Span, ...] = ((0, None),) if secret else ()
    for chunk in chunks:
        if len(chunk) > domain.room:
            raise CardError("gp.block_too_long", length=len(chunk), room=domain.room)
    return _send(domain, [(chunk, marks) for chunk in chunks], structure | encryption, answer, progress)


def _pieces(stream: bytes, room: int, *, secret: bool = False) -> list[Block]:
    marks: tuple[Span, ...] = ((0, None),) if secret else ()
    return [(stream[at : at + room], marks) for at in range(0, len(stream), room)]


def _send(
    domain: Domain, blocks: Sequence[Block], p1: int, answer: bool, progress: Progress | None
) -> Response:
    if not blocks:
        raise ValueError("STORE DATA carries something")
    if len(blocks) > MAX_BLOCKS:
        total = sum(len(block) for block, _ in blocks)
        raise CardError("gp.too_many_blocks", length=total, room=len(blocks[0][0]), most=MAX_BLOCKS)
    p1 |= ANSWER_ALLOWED if answer else 0
    response = Response()
    for number, (block, secret) in enumerate(blocks):
        last = LAST_BLOCK if number == len(blocks) - 1 else 0
        command = domain.block(Ins.STORE_DATA, p1 | last, number, block, answer=answer, secret=secret)
        response = domain.card.expect(command)
        if progress is not None:
            progress(number + 1, len(blocks))
    return response


def key_set_groupings(ring: KeyRing, keys: KeySet, dek: ChannelDek) -> list[Dgi]:
    """The first key set of a supplementary domain, for STORE DATA to it.

    ``00B9`` describes the keys, three ``8113`` carry them under ``dek``, the one of the channel through
    which they are sent (GPC 2.3.1 §11.11.4).
    """
    described, values = b"", []
    for kid, key in enumerate(keys.refs, start=1):
        description = (
            Tlv(0x95, bytes((KEY_USAGE[kid],))),
            Tlv(0x80, bytes((KEY_TYPES[key.algorithm],))),
            Tlv(0x81, bytes((key.length,))),
            Tlv(0x82, bytes((kid,))),
            Tlv(0x83, bytes((keys.version,))),
            Tlv(0x84, ring.kcv(key)),
        )
        described += bytes(Tlv.build(0xB9, description))
        values.append(Dgi(DGI_SYMMETRIC_KEY, ring.wrap_for_put_key(dek, key), secret=True))
    return [Dgi(DGI_KEYS, described), *values]
