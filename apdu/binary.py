"""Reading transparent files with READ BINARY (ISO/IEC 7816-4:2020 §7.3.2, §11.3.3), the short way where the
card takes it, bounded against a card that lies.

A file named by its number is read by short EF identifier and with an extended Le, as far as the card takes
them: one APDU instead of many. What it takes is learned at the first reading and kept in the
:class:`CardProfile` of the connection; what it refuses is not tried again.
"""

from __future__ import annotations

from .card import Card
from .command import SHORT_LE_MAX, Command
from .errors import MalformedResponse, ReaderError, StatusError
from .tlv import parse_length, parse_tag

__all__ = ["read_bytes", "read_object", "select_file"]

EXTENDED_LE_MAX = 65536
PAST_END = 0x6B00
STATUS_BYTES = 2
MAX_ROUNDS = 256
MAX_SHORT_ID = 0x1E
MAX_OFFSET = 0x7FFF

NOT_THIS_FORM = (0x6700, 0x6A80, 0x6A81, 0x6A86, 0x6D00, 0x6E00, 0x6F00)
"""Status words that refuse the form of a command rather than what it asks for."""
TELLS_NOTHING = (PAST_END, 0x6982, 0x6986, 0x6A82, 0x6A88, 0x6981)
"""Refusals that may be about the form when it was never taken before (P1 read as an offset of the current
file), and are about the file when it was."""


def read_object(card: Card, file: int | None = None, *, limit: int, secret: bool = False) -> bytes:
    """The one BER-TLV object at the beginning of ``file`` (None: the current file), header included.

    Padding after it is dropped. The length comes from the object's own header (one longer than needed is
    accepted) and is at most ``limit`` bytes. ``secret`` hides the answers from recorders. Raises StatusError,
    and MalformedResponse for a card that contradicts itself.
    """
    head, extended = _begin(card, file, limit, secret)
    try:
        _, offset = parse_tag(head, 0)
        length, offset = parse_length(head, offset)
    except ValueError as error:
        raise MalformedResponse(str(error), "the file") from error
    total = offset + length
    if total > limit:
        raise MalformedResponse(f"an object of {total} bytes (at most {limit} make sense)", "the file")
    return _continue(card, head, total, secret, extended)


def read_bytes(card: Card, length: int, file: int | None = None, *, secret: bool = False) -> bytes:
    """The first ``length`` bytes of ``file`` (None: the current file). Raises StatusError and
    MalformedResponse."""
    head, extended = _begin(card, file, length, secret)
    return _continue(card, head, length, secret, extended)


def select_file(card: Card, file: int) -> None:
    """SELECT an elementary file by its number, without FCI. Raises StatusError."""
    card.expect(Command(0x00, 0xA4, 0x02, 0x0C, file.to_bytes(2, "big")))


def _begin(card: Card, file: int | None, wanted: int, secret: bool) -> tuple[bytes, bool]:
    """The first bytes of the file, in the shortest form that the card takes, and whether that was an extended
    one; it is the current file then."""
    if file is None:
        return _read(card, 0, min(SHORT_LE_MAX, wanted), secret), False
    profile = card.profile
    refusal: StatusError | ReaderError | None = None
    if profile.sfi is not False and file <= MAX_SHORT_ID:
        try:
            answer = _in_some_length(card, file, wanted, secret)
        except StatusError as error:
            if error.sw not in NOT_THIS_FORM and (profile.sfi or error.sw not in TELLS_NOTHING):
                raise
            refusal = error
        else:
            profile.sfi = True
            return answer
    select_file(card, file)
    answer = _in_some_length(card, None, wanted, secret)
    if refusal is not None:
        profile.sfi = False
    return answer


def _in_some_length(card: Card, short_id: int | None, wanted: int, secret: bool) -> tuple[bytes, bool]:
    """The first bytes with one extended READ BINARY, or with a short one when card or reader refuse that."""
    profile = card.profile
    room = card.link.info.max_response - STATUS_BYTES
    refusal: StatusError | ReaderError | None = None
    if wanted > SHORT_LE_MAX and room > SHORT_LE_MAX and profile.extended is not False:
        known = profile.extended
        profile.extended = True
        try:
            return _read(card, 0, min(room, EXTENDED_LE_MAX), secret, short_id, extended=True), True
        except (StatusError, ReaderError) as error:
            profile.extended = known
            form = isinstance(error, ReaderError) or error.sw in NOT_THIS_FORM
            # An offset that is refused (6B00) may be an extended Le that was misread, or an empty file.
            if not form and (known or not isinstance(error, StatusError) or error.sw != PAST_END):
                raise
            refusal = error
    answer = _read(card, 0, min(SHORT_LE_MAX, wanted), secret, short_id)
    if refusal is not None:
        profile.extended = False
    return answer, False


def _continue(card: Card, content: bytes, total: int, secret: bool, extended: bool) -> bytes:
    most = card.link.info.max_response - STATUS_BYTES if extended else SHORT_LE_MAX
    for _ in range(MAX_ROUNDS):
        if len(content) >= total:
            return content[:total]
        if len(content) > MAX_OFFSET:
            raise MalformedResponse(f"more than {MAX_OFFSET} bytes", "the file")
        length = min(most, total - len(content))
        try:
            content += _read(card, len(content), length, secret, extended=length > SHORT_LE_MAX)
        except StatusError as error:
            if error.sw != PAST_END:
                raise
            raise MalformedResponse(
                f"{len(content)} bytes where {total} are announced", "the file"
            ) from error
    raise MalformedResponse(f"{MAX_ROUNDS} answers did not fill {total} bytes", "READ BINARY")


def _read(
    card: Card, offset: int, length: int, secret: bool, short_id: int | None = None, *, extended: bool = False
) -> bytes:
    hidden = ((0, None),) if secret else ()
    p1 = offset >> 8 if short_id is None else 0x80 | short_id
    command = Command(0x00, 0xB0, p1, offset & 0xFF, le=length, extended=extended, secret_answer=hidden)
    answer = card.expect(command).data
    if not 1 <= len(answer) <= length:
        raise MalformedResponse(f"{len(answer)} bytes where 1 to {length} were asked for", "READ BINARY")
    return answer
