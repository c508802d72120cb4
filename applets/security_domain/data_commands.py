"""``tegata gp store-data``: data of a domain, personalisation of applications (GPC 2.3.1 §7.3.2, §11.11)."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from ...apdu.errors import InputError, Words
from ...apdu.secret import Secret
from .command_options import AID, FILE, HEX, Settings, read_bytes, verb
from .manager import Change, Verb
from .manager.data import StoreData
from .personalization import Encryption, Structure
from .sealing import Padding, Sealing

__all__ = ["store_data"]

FORMS = {"tlv": Structure.BER_TLV, "dgi": Structure.DGI, "raw": Structure.NONE}
SIMULATED = "sim:"


class _Tag(click.ParamType[int]):
    """A tag, or the number of a data grouping, in hex."""

    name = "tag"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if re.fullmatch(r"[0-9A-Fa-f]{2,6}", value) is None:
            self.fail(f"{value!r} is not a tag in hex", param, ctx)
        return int(value, 16)


@verb("store-data")
@click.argument("data", type=HEX, required=False, metavar="[HEX]")
@click.option("--file", type=FILE, help="Take the bytes from this file (hex or binary).")
@click.option("--ask", is_flag=True, help="Ask for the bytes, in hex, without showing them.")
@click.option("--to", "target", type=AID, help="Application that they are for (default: the domain itself).")
@click.option(
    "--form",
    type=click.Choice(list(FORMS)),
    default="tlv",
    show_default=True,
    help="Data objects, data groupings, or neither.",
)
@click.option("--encrypted", is_flag=True, help="Encrypt every value under the channel's DEK.")
@click.option("--encrypt", "tags", type=_Tag(), multiple=True, help="Encrypt only the values under this tag.")
@click.option(
    "--pad",
    type=click.Choice([str(padding) for padding in Padding]),
    default=str(Padding.NEVER),
    show_default=True,
    help="Fill values with 80 00… to whole cipher blocks before they are encrypted.",
)
@click.option(
    "--already-encrypted", is_flag=True, help="Only say that values are; they were encrypted elsewhere."
)
@click.option("--answer", "answers", is_flag=True, help="The application may answer with data (case 4).")
@click.pass_obj
def store_data(
    settings: Settings,
    /,
    data: bytes | None,
    file: Path | None,
    ask: bool,
    target: bytes | None,
    form: str,
    encrypted: bool,
    tags: tuple[int, ...],
    pad: str,
    already_encrypted: bool,
    answers: bool,
) -> Verb:
    """Write data objects of the domain, such as 42 (IIN) and 45 (CIN), or personalise an application.

    \b
    tegata gp store-data 4203112233 then info
    tegata gp store-data --to AID --form dgi --file personal.hex --encrypt 8000 --encrypt 8010

    What is to be encrypted is a secret: it comes from a file that you alone can read or from --ask, and from
    the command line for simulated cards only.
    """
    if [data is not None, file is not None, ask].count(True) != 1:
        raise click.UsageError("Give the bytes in hex, a --file, or --ask.")
    sealing = Sealing(frozenset(tags), Padding(pad)) if encrypted or tags else None
    if sealing is not None and (already_encrypted or (encrypted and tags)):
        raise click.UsageError("--encrypted, --encrypt and --already-encrypted exclude each other.")
    if sealing is None and pad != Padding.NEVER:
        raise click.UsageError("--pad is for values that --encrypted or --encrypt encrypts.")
    if sealing is not None and data is not None and not (settings["reader"] or "").startswith(SIMULATED):
        raise InputError("input.secret_on_command_line", command="store-data")
    content = _content(data, file, secret=sealing is not None)
    if sealing is not None:
        sealing.check(content, FORMS[form])
    step = StoreData(
        content,
        FORMS[form],
        Encryption.APPLICATION_DEPENDENT if already_encrypted else Encryption.NONE,
        target or b"",
        sealing,
        answers,
        secret=ask,
    )
    return Change("store-data", lambda session: [step])


def _content(data: bytes | None, file: Path | None, *, secret: bool) -> Secret:
    """The bytes, wherever they come from. Raises InputError ``gp.store_data``, ``input.file``."""
    if data is not None:
        return Secret(data)
    if file is None:
        return _asked()
    if secret and os.name == "posix" and file.is_file() and file.stat().st_mode & 0o077:
        raise _refused(f"others can read {file}", f"{file} はほかの人も読めます")
    return Secret(read_bytes(file))


def _asked() -> Secret:
    if not sys.stdin.isatty():
        raise _refused("--ask needs a terminal", "--ask には端末が必要です")
    typed: str = click.prompt("Data (hex)", hide_input=True, err=True)
    try:
        return Secret(bytes.fromhex(typed))
    except ValueError:
        raise _refused("what was typed is not hex", "入力は 16 進数ではありません") from None


def _refused(en: str, ja: str) -> InputError:
    return InputError("gp.store_data", what=Words(en, ja))
