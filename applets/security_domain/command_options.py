"""What the verbs of ``tegata gp`` share on the command line: types of values, and options of the session.

The options of the session belong to ``tegata gp`` itself; they are taken behind a verb as well, wherever a
person types them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ...apdu.errors import InputError
from ...apdu.regular_files import read_regular
from .manager import LEVELS, NewKeys
from .model import Privilege
from .model.signatures import Signer, VerifyingKey
from .model.tokens import ControlReference

__all__ = [
    "AID",
    "FILE",
    "HEX",
    "PRIVILEGES",
    "VERSION",
    "REFERENCE",
    "Settings",
    "load_options",
    "new_key_options",
    "new_keys",
    "read_bytes",
    "session_options",
    "verb",
]

Function = TypeVar("Function", bound=Callable[..., Any])
LARGEST = 1 << 20
FILE = click.Path(dir_okay=False, path_type=Path)


class _Hex(click.ParamType[bytes]):
    """Bytes in hex; blanks and colons between them are allowed."""

    name = "hex"

    def __init__(self, least: int = 0, most: int = 0xFFFF, what: str = "a value") -> None:
        self.least, self.most, self.what = least, most, what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        digits = re.sub(r"[\s:]", "", value)
        try:
            raw = bytes.fromhex(digits)
        except ValueError:
            self.fail(f"{value!r} is not hex", param, ctx)
        if not self.least <= len(raw) <= self.most:
            self.fail(
                f"{self.what} of {self.least} to {self.most} bytes is needed, got {len(raw)}", param, ctx
            )
        return raw


class _Version(click.ParamType[int]):
    """A key version number in hex, 01 to FF; 0 stands for the card's first."""

    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{1,2}", value) is None:
            self.fail(f"{value!r} is not a key version: two hex digits", param, ctx)
        return int(value, 16)


class _Privileges(click.ParamType[Privilege]):
    """Names of privileges, or their one or three bytes in hex."""

    name = "privileges"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Privilege:
        if isinstance(value, Privilege):
            return value
        if re.fullmatch(r"([0-9A-Fa-f]{2}|[0-9A-Fa-f]{6})", value):
            return Privilege(int(value.ljust(6, "0"), 16))
        known = {name.lower().replace("_", "-"): one for name, one in Privilege.__members__.items()}
        found = Privilege.NONE
        for word in value.split(","):
            privilege = known.get(word.strip().lower())
            if privilege is None:
                self.fail(f"{word!r} is none of {', '.join(sorted(known))}", param, ctx)
            found |= privilege
        return found


HEX = _Hex()
AID = _Hex(5, 16, "an AID")
VERSION = _Version()
PRIVILEGES = _Privileges()


class _Reference(click.ParamType[ControlReference]):
    """Parts of ``B6``: ``iin=…,cin=…,provider=…,number=…``, each in hex, each once or not at all."""

    name = "reference"
    NAMES = {"iin": "issuer", "cin": "image", "provider": "provider", "number": "number"}

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> ControlReference:
        if isinstance(value, ControlReference):
            return value
        found: dict[str, bytes] = {}
        for part in value.split(","):
            name, _, digits = part.partition("=")
            field = self.NAMES.get(name.strip().lower())
            if field is None or field in found:
                self.fail(f"{part!r} is none of {', '.join(self.NAMES)}, or stands twice", param, ctx)
            found[field] = HEX.convert(digits, param, ctx)
        return ControlReference(**found)


REFERENCE = _Reference()


class Settings(dict[str, Any]):
    """The options of the session, from wherever they stood on the line.

    ``open_signer`` and ``open_verifier`` give the keys of tokens and receipts that a person names: a file, or
    ``ring:LABEL``.
    """

    def __init__(
        self,
        open_signer: Callable[[Settings, str], Signer],
        open_verifier: Callable[[Settings, str], VerifyingKey],
    ) -> None:
        super().__init__()
        self._open_signer, self._open_verifier = open_signer, open_verifier

    def signer(self, name: str) -> Signer:
        """Raises InputError ``gp.signing_key``, ``keyring.*``."""
        return self._open_signer(self, name)

    def verifier(self, name: str) -> VerifyingKey:
        """Raises InputError ``gp.signing_key``, ``keyring.*``."""
        return self._open_verifier(self, name)

    def check(self) -> None:
        """Raises UsageError for options of SCP11 in a session that is not opened with it."""
        if self["scp11"] is None:
            for name in ("scp11_anchor", "scp11_unverified", "scp11_key", "scp11_chain"):
                if self[name]:
                    raise click.UsageError(f"--{name.replace('_', '-')} needs --scp11 a, b or c.")


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """An option behind a verb wins over the one before it; what was not given leaves it alone."""
    settings = ctx.find_object(Settings)
    given = ctx.get_parameter_source(param.name or "") is not click.core.ParameterSource.DEFAULT
    if settings is not None and param.name is not None and (given or param.name not in settings):
        settings[param.name] = value
    return value


SESSION_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--reader", "reader"),
        {"metavar": "URL", "help": "pcsc:NAME (default: the first), or sim:FILE.  (also: TEGATA_READER)"},
    ),
    (("--timeout",), {"type": float, "default": 30.0, "help": "Seconds to wait for a card.  [default: 30]"}),
    (
        ("--domain", "domain_aid"),
        {"type": AID, "help": "Security domain to talk to (default: the issuer's)."},
    ),
    (
        ("--keys",),
        {"metavar": "default|FILE", "help": "The card's keys: the makers' well-known ones, or a key file."},
    ),
    (("--keyring",), {"metavar": "URL", "help": "Key ring, e.g. file:keys.json.  (also: TEGATA_KEYRING)"}),
    (("--master",), {"metavar": "LABEL", "help": "Master key in the ring that the card's keys come from."}),
    (("--scheme",), {"metavar": "NAME", "help": "How they come from it  [default: sp800-108-cmac]"}),
    (
        ("--key", "key_hex"),
        {"type": HEX, "metavar": "HEX", "help": "One key for all three; simulated cards only."},
    ),
    (
        ("--key-version",),
        {"type": VERSION, "help": "Version of the key set, two hex digits (default: the card's first)."},
    ),
    (
        ("--level",),
        {
            "type": click.Choice(list(LEVELS)),
            "help": "Security level (default: the highest the card offers).",
        },
    ),
    (
        ("--scp02-i",),
        {
            "type": VERSION,
            "metavar": "HEX",
            "help": "How an SCP02 card is set up (it does not tell): 15, 55, …  [default: 55]",
        },
    ),
    (
        ("--scp11",),
        {"type": click.Choice(["a", "b", "c"]), "help": "Open the channel with certificates (SCP11)."},
    ),
    (
        ("--scp11-anchor",),
        {"type": FILE, "multiple": True, "help": "Certificate of an authority of the card's maker."},
    ),
    (("--scp11-unverified",), {"is_flag": True, "help": "Take whatever key the card shows."}),
    (("--scp11-key",), {"type": FILE, "help": "The host's private key (PEM), for a and c."}),
    (("--scp11-chain",), {"type": FILE, "help": "The host's certificates (PEM), the leaf last."}),
    (
        ("--ledger",),
        {
            "metavar": "PATH|none",
            "help": "Where cards, keys and unfinished steps stand (default: ledger.db in TEGATA_HOME); none "
            "only for simulated cards or well-known keys.  (also: TEGATA_DATABASE)",
        },
    ),
    (
        ("--token-key",),
        {"metavar": "FILE|ring:LABEL", "help": "Make tokens with this key (delegated management)."},
    ),
    (("--token", "ready_token"), {"type": HEX, "help": "One token that was made elsewhere."}),
    (
        ("--token-reference",),
        {"type": REFERENCE, "help": "What binds the token: iin=,cin=,provider=,number= in hex."},
    ),
    (("--receipt-key",), {"metavar": "FILE|ring:LABEL", "help": "Check the card's receipts with this key."}),
    (("--dry-run",), {"is_flag": True, "help": "Read the card and say what would be done; change nothing."}),
    (("--yes",), {"is_flag": True, "help": "Agree beforehand to what cannot be undone."}),
    (
        ("--card", "card_name"),
        {"metavar": "ID", "help": "The card's identity, as info prints it: for what destroys a card."},
    ),
    (("--trace",), {"type": FILE, "help": "Write the APDUs here; keys and other secrets are masked."}),
    (("--json", "as_json"), {"is_flag": True, "help": "Print one JSON object for a program to read."}),
)
ENVIRONMENT = {"reader": "TEGATA_READER", "keyring": "TEGATA_KEYRING", "ledger": "TEGATA_DATABASE"}


def session_options(*, hidden: bool) -> Callable[[Function], Function]:
    """All options of the session; ``hidden`` from help where they are only tolerated."""

    def decorate(function: Function) -> Function:
        for names, attributes in reversed(SESSION_OPTIONS):
            name = names[-1].lstrip("-").replace("-", "_")
            shown: dict[str, Any] = (
                {"envvar": ENVIRONMENT[name]} if name in ENVIRONMENT and not hidden else {}
            )
            option = click.option(
                *names, hidden=hidden, expose_value=False, callback=_remember, **attributes, **shown
            )
            function = option(function)
        return function

    return decorate


def verb(name: str) -> Callable[[Function], click.Command]:
    """A verb: a command that returns a :class:`Verb`, and takes the session's options too."""

    def decorate(function: Function) -> click.Command:
        return click.command(name)(session_options(hidden=True)(function))

    return decorate


def new_key_options(function: Function) -> Function:
    """Where a new key set comes from."""
    options = (
        click.option(
            "--new-keys", metavar="default|FILE", help="The new keys: a key file, or the well-known ones."
        ),
        click.option("--new-master", metavar="LABEL", help="Master key in the ring (default: --master)."),
        click.option("--new-scheme", metavar="NAME", help="How they come from it  [default: sp800-108-cmac]"),
        click.option(
            "--new-version", type=VERSION, required=True, help="Version of the new set, 01 to 7F (hex)."
        ),
        click.option(
            "--new-length",
            type=click.Choice(["16", "24", "32"]),
            default="16",
            show_default=True,
            help="Bytes of each new key.",
        ),
        click.option(
            "--algorithm",
            type=click.Choice(["aes", "3des"]),
            help="Of the new keys (default: that of the secure channel).",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def new_keys(options: Mapping[str, Any]) -> NewKeys:
    """What :func:`new_key_options` gathered."""
    return NewKeys(
        version=options["new_version"],
        named=options["new_keys"] or "",
        master=options["new_master"] or "",
        scheme=options["new_scheme"] or "",
        length=int(options["new_length"]),
        algorithm=options["algorithm"] or "",
    )


class _Dap(click.ParamType[tuple[bytes, bytes]]):
    """``AID:SIGNATURE`` of the domain that verifies it, both in hex."""

    name = "aid:signature"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[bytes, bytes]:
        if isinstance(value, tuple):
            return value
        aid, _, signature = value.partition(":")
        return AID.convert(aid, param, ctx), HEX.convert(signature, param, ctx)


class _DapKey(click.ParamType[tuple[bytes, str]]):
    """``AID:FILE`` or ``AID:ring:LABEL``: a domain, and the key whose signatures it verifies."""

    name = "aid:key"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[bytes, str]:
        if isinstance(value, tuple):
            return value
        aid, _, key = value.partition(":")
        if not key:
            self.fail(f"{value!r} is not AID:FILE or AID:ring:LABEL", param, ctx)
        return AID.convert(aid, param, ctx), key


def load_options(function: Function) -> Function:
    """How a load file is brought onto the card."""
    options = (
        click.option(
            "--replace",
            "replaces",
            is_flag=True,
            help="Delete a package of this name first, applications too.",
        ),
        click.option("--to", "owner", type=AID, help="Domain that it will belong to (default: this one)."),
        click.option(
            "--hash",
            "hash_name",
            type=click.Choice(["sha1", "sha256", "sha384", "sha512"]),
            help="Send the hash of the load file (default: only where a token or signature needs it).",
        ),
        click.option(
            "--descriptor", is_flag=True, help="With the Descriptor component, as some hosts load it."
        ),
        click.option(
            "--dap", type=_Dap(), multiple=True, help="A signature of the load file, made elsewhere."
        ),
        click.option(
            "--dap-key",
            type=_DapKey(),
            multiple=True,
            metavar="AID:FILE|AID:ring:LABEL",
            help="Sign the load file with this key for the domain AID: RSA or EC in PEM, or AES in hex.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def read_bytes(file: Path | None) -> bytes:
    """The bytes in a file: hex when it holds nothing else, as they are otherwise. Raises InputError."""
    if file is None:
        return b""
    try:
        raw = read_regular(file, LARGEST)
    except ValueError as error:
        raise InputError("input.file", path=str(file), what=str(error)) from None
    text = raw.decode("latin-1")
    return bytes.fromhex(text) if re.fullmatch(r"[0-9A-Fa-f\s]+", text) else raw
