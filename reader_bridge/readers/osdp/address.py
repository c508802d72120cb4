"""``osdp:DEVICE?address=N&key=RING&master=LABEL&scbk=FILE&baud=N``: a peripheral on a line, and its key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from ....apdu.errors import ReaderError, Words

__all__ = ["MASTER", "OsdpAddress"]

SCHEME = "osdp"
MASTER = "osdp"
"""The label of the master key, unless the URL names another."""
DEFAULT_BAUD = 9600
BAUDS = (9600, 19200, 38400, 57600, 115200, 230400)
"""The rates that the standard knows (§5.2)."""
LAST_ADDRESS = 126


@dataclass(frozen=True, slots=True)
class OsdpAddress:
    """``ring`` is the URL of a key ring and ``master`` the label of the master key there, from which the
    peripheral's key comes; ``scbk`` is a file with that one key. Without both no secure channel is asked
    for."""

    line: str
    number: int = 0
    baud: int = DEFAULT_BAUD
    ring: str = ""
    master: str = MASTER
    scbk: Path | None = None

    @classmethod
    def parse(cls, rest: str) -> OsdpAddress:
        """What follows ``osdp:``. Raises ReaderError ``osdp.url``; the values of a URL are never quoted."""
        line, _, query = rest.partition("?")
        if not line:
            raise _refused(Words("it names no serial line", "シリアル回線がありません"))
        given: dict[str, str] = {}
        for part in filter(None, query.split("&")):
            name, equals, value = part.partition("=")
            if name not in ("address", "baud", "key", "master", "scbk") or not equals or name in given:
                raise _refused(Words(f"{name} does not belong there", f"{name} は指定できません"))
            given[name] = unquote(value)
        if "key" in given and "scbk" in given:
            raise _refused(Words("key and scbk exclude each other", "key と scbk は同時に使えません"))
        return cls(
            line=line,
            number=_number(given, "address", 0, range(LAST_ADDRESS + 1)),
            baud=_number(given, "baud", DEFAULT_BAUD, BAUDS),
            ring=given.get("key", ""),
            master=given.get("master", MASTER),
            scbk=Path(given["scbk"]) if "scbk" in given else None,
        )

    @property
    def url(self) -> str:
        """The URL that opens it again. It says where the key is, and holds none."""
        given = {
            "baud": "" if self.baud == DEFAULT_BAUD else str(self.baud),
            "key": self.ring,
            "master": self.master if self.ring and self.master != MASTER else "",
            "scbk": "" if self.scbk is None else str(self.scbk),
        }
        more = "".join(f"&{name}={quote(value, safe='/:')}" for name, value in given.items() if value)
        return f"{SCHEME}:{self.line}?address={self.number}{more}"

    @property
    def has_key(self) -> bool:
        """Whether the URL says where the key is, so that nothing may be said in the clear."""
        return bool(self.ring) or self.scbk is not None

    @property
    def name(self) -> str:
        """The peripheral in a sentence."""
        return f"OSDP peripheral {self.number}"


def _number(given: dict[str, str], name: str, default: int, allowed: range | tuple[int, ...]) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 8 and int(text) in allowed):
        shown = (
            f"{allowed[0]} - {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        )
        raise _refused(Words(f"{name} is one of {shown}", f"{name} は {shown} のいずれかです"))
    return int(text)


def _refused(what: Words) -> ReaderError:
    return ReaderError("osdp.url", what=what)
