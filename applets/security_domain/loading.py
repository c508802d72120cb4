"""Bringing a load file onto a card: INSTALL [for load] and LOAD (GPC 2.3.1 §9.3.5, §11.5.2.3.1, §11.6).

What a torn load leaves behind is recognised by the modules that it lacks, and deleted.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...apdu.errors import InputError
from ...apdu.tlv import Tlv
from . import content
from .delegation import CheckedReceipt
from .domain import Domain, Progress
from .model import Ins, Privilege, Tag, requests
from .model.cap import LoadFile, load_file_hash
from .model.parameters import InstallParameters, LoadParameters
from .model.requests import Request
from .model.signatures import Signer
from .model.tokens import DapBlock
from .results import Registered, RegisteredKind

__all__ = ["Load", "LoadState", "cleanup", "load", "load_install", "load_state"]

LOADED = 0x01
LAST_BLOCK = 0x80
DEFAULT_HASH = "sha256"


@dataclass(frozen=True)
class Load:
    """A load file and all that goes with it, ready to be cut into blocks.

    ``code`` is the load file data block: the stream of components. ``hash_name`` is the algorithm of its hash
    in INSTALL [for load]; None sends no hash unless a token or a signature needs one (then SHA-256). ``dap``
    are signatures made elsewhere, ``dap_signers`` make one for the domain of that AID. ``domain`` is who will
    own the package, the selected domain when empty.
    """

    code: bytes
    aid: bytes
    modules: tuple[bytes, ...] = ()
    version: bytes = b""
    hash_name: str | None = None
    dap: tuple[DapBlock, ...] = ()
    dap_signers: Mapping[bytes, Signer] = field(default_factory=dict, repr=False)
    parameters: LoadParameters = field(default_factory=LoadParameters)
    domain: bytes = b""

    @classmethod
    def of(
        cls,
        file: LoadFile | bytes,
        *,
        hash_name: str | None = None,
        dap: Iterable[DapBlock] = (),
        dap_signers: Mapping[bytes, Signer] | None = None,
        parameters: LoadParameters | None = None,
        domain: bytes = b"",
    ) -> Load:
        """The load of a file, which is read first. Raises CapError when it is malformed."""
        parsed = file if isinstance(file, LoadFile) else LoadFile.parse(file)
        return cls(
            code=bytes(parsed),
            aid=parsed.aid,
            modules=parsed.applet_aids,
            version=bytes((parsed.version.major, parsed.version.minor)),
            hash_name=hash_name,
            dap=tuple(dap),
            dap_signers=dict(dap_signers or {}),
            parameters=parameters or LoadParameters(),
            domain=domain,
        )

    def digest(self, *, needed: bool = False) -> bytes:
        """The load file data block hash for INSTALL [for load], empty when nobody asked for one."""
        if self.hash_name is None and not (needed or self.dap or self.dap_signers):
            return b""
        return load_file_hash(self.code, self.hash_name or DEFAULT_HASH)

    def stream(self) -> bytes:
        """What LOAD carries: DAP blocks ``E2``, then the load file data block in ``C4`` (table 11-58)."""
        digest = self.digest(needed=True)
        made = [DapBlock(domain, sign(digest)) for domain, sign in self.dap_signers.items()]
        signed = b"".join(bytes(block) for block in (*self.dap, *made))
        return signed + bytes(Tlv(Tag.LOAD_FILE, self.code))


class LoadState(enum.Enum):
    """How a load file stands to what the card holds under its AID."""

    ABSENT = "absent"
    COMPLETE = "complete"
    TORN = "torn"
    OTHER = "other"


def load(domain: Domain, what: Load, *, progress: Progress | None = None) -> CheckedReceipt | None:
    """INSTALL [for load], then LOAD in the largest blocks that card and channel allow.

    Raises StatusError as soon as the card refuses; what it keeps then, :func:`cleanup` finds.
    """
    request = _load_request(domain, what)
    domain.contents.changed(what.aid, RegisteredKind.PACKAGE)
    content.send(domain, request)
    answer = _blocks(domain, what, progress)
    return domain.authority.check(answer, request)


def load_install(
    domain: Domain,
    what: Load,
    module: bytes,
    instance: bytes,
    *,
    privileges: Privilege = Privilege.NONE,
    parameters: bytes | InstallParameters = b"",
    progress: Progress | None = None,
) -> CheckedReceipt | None:
    """Load, install and make selectable in one (P1 0E): the card takes all of it or nothing.

    One token, in the last command, allows both (GPC 2.3.1 §11.5.2.3.6).
    """
    first = _load_request(domain, what, combined=True)
    owner = what.domain or domain.aid
    raw = content.parameters_of(domain, parameters, own=True)
    last = requests.install_request(what.aid, module, instance, privileges, raw, combined_in=owner)
    domain.contents.changed(what.aid, RegisteredKind.PACKAGE)
    domain.contents.changed(instance, RegisteredKind.APPLICATION)
    domain.card.expect(first.command())
    _blocks(domain, what, progress)
    sign = domain.authority.token
    token = b"" if sign is None else sign(first.token_input + last.token_input)
    response = domain.card.expect(last.command(token))
    return domain.authority.check(response.data, last)


def _load_request(domain: Domain, what: Load, *, combined: bool = False) -> Request:
    """The owning domain is always named: some cards take an empty name for an error."""
    parameters = what.parameters
    if parameters.reference is None and domain.authority.reference is not None:
        parameters = LoadParameters(
            parameters.code, parameters.volatile, parameters.non_volatile, domain.authority.reference
        )
    digest = what.digest(needed=domain.authority.token is not None)
    return requests.load_request(
        what.aid, what.domain or domain.aid, digest, bytes(parameters), combined=combined
    )


def _blocks(domain: Domain, what: Load, progress: Progress | None) -> bytes:
    """Send the stream; the data of the answer to the last block. Block numbers go round after FF."""
    stream, room = what.stream(), domain.room
    starts = range(0, len(stream), room)
    answer = b""
    for number, start in enumerate(starts):
        last = LAST_BLOCK if number == len(starts) - 1 else 0
        block = stream[start : start + room]
        answer = domain.card.expect(domain.block(Ins.LOAD, last, number, block, answer=True)).data
        if progress is not None:
            progress(number + 1, len(starts))
    return answer


def load_state(domain: Domain, what: Load) -> LoadState:
    """Whether the card holds the package whole, in pieces, in another version, or not. Asks for one AID."""
    line = domain.contents.find(what.aid, RegisteredKind.PACKAGE)
    if line is None:
        return LoadState.ABSENT
    if line.life_cycle != LOADED:
        return LoadState.TORN
    if line.version and what.version and line.version != what.version:
        return LoadState.OTHER
    if not what.modules or set(line.modules) == set(what.modules):
        return LoadState.COMPLETE
    if line.modules:
        return LoadState.OTHER
    return LoadState.TORN if domain.contents.modules_told else LoadState.COMPLETE


def cleanup(domain: Domain, what: Load) -> Registered | None:
    """Delete what a torn load left of this package; the line deleted, None when there was nothing to do.

    A package that is whole, of another version, or has instances stays. Loading starts anew in any case: a
    card forgets blocks of a load that did not end as soon as INSTALL [for load] comes again.
    """
    if load_state(domain, what) is not LoadState.TORN:
        return None
    line = domain.contents.find(what.aid, RegisteredKind.PACKAGE)
    if any(entry.package == what.aid for entry in domain.contents.entries()):
        raise InputError("gp.torn_in_use", aid=what.aid.hex().upper())
    content.delete(domain, [what.aid])
    return line
