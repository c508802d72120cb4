"""``tegata keyring``: make and keep the keys behind badges and cards, in a file or on a PKCS #11 token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ...apdu.errors import InputError, Words, language
from ...apdu.ports import KeyRing
from ...apdu.regular_files import read_regular
from ..printing import print_json, print_table, say
from ..workplace import default_keyring, open_ring
from .container import Header
from .file import FileKeyRing
from .passphrase import read_passphrase, read_secret
from .pkcs11 import Pkcs11KeyRing
from .static import read_key

__all__ = ["keyring"]

FILE = click.Path(dir_okay=False, path_type=Path)
LARGEST_PEM = 1 << 16
PEM_PASSPHRASE_FILE = "TEGATA_PEM_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
PEM_PASSPHRASE_FD = "TEGATA_PEM_PASSPHRASE_FD"  # noqa: S105 - the name of a variable

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_url = click.option(
    "--keyring",
    "url",
    envvar="TEGATA_KEYRING",
    metavar="URL",
    help="The ring, e.g. file:keys.json or pkcs11:token=badges (default: keys.json in TEGATA_HOME).",
)


@click.group()
def keyring() -> None:
    """Make and keep the master keys behind badges and cards.

    The passphrase of a file is typed, or read from the file that TEGATA_KEYRING_PASSPHRASE_FILE names or the
    descriptor that TEGATA_KEYRING_PASSPHRASE_FD names; the PIN of a token likewise, with
    TEGATA_PKCS11_PIN_FILE and TEGATA_PKCS11_PIN_FD. Neither is ever an argument.
    """


@keyring.command("init")
@click.argument("file", type=FILE, required=False)
@click.option("--name", default="", help="Name of the ring in the ledger (default: the file's name).")
@click.option(
    "--master",
    "masters",
    multiple=True,
    default=("badges", "doors"),
    show_default=True,
    help="Label of a new random AES-256 master key; may be repeated.",
)
@_json
def keyring_init(file: Path | None, name: str, masters: Sequence[str], as_json: bool) -> None:
    """Make a key ring in FILE with new master keys and the makers' well-known card keys (gp-default).

    Keep a copy of the file and the passphrase in a safe: without them no issued card can be managed.
    """
    path = file or Path(default_keyring().partition(":")[2])
    with read_passphrase("New passphrase", confirm=True) as passphrase:
        ring = FileKeyRing.create(path, passphrase, name)
        for label in masters:
            ring.generate(label)
        ring.import_default()
        ring.close()
    _show_file(path, as_json)


@keyring.command("info")
@click.argument("file", type=FILE, required=False)
@_json
def keyring_info(file: Path | None, as_json: bool) -> None:
    """Show the labels and check values of a key ring in a file; needs no passphrase."""
    _show_file(file or Path(default_keyring().partition(":")[2]), as_json)


@keyring.command("list")
@_url
@_json
def keyring_list(url: str | None, as_json: bool) -> None:
    """Show every key of a ring: what it is, what it serves, and what speaks against it.

    \b
    tegata keyring list --keyring 'pkcs11:token=badges?module-path=/usr/lib/softhsm/libsofthsm2.so'

    A ring in a file is read without its passphrase; a token is logged into.
    """
    scheme, _, rest = (url or default_keyring()).partition(":")
    if scheme == "file":
        header = FileKeyRing.info(Path(rest))
        name, lines = header.name, _lines_of(header)
    else:
        ring = _token(open_ring(url))
        name, lines = ring.name, ring.inventory()
        ring.close()
    _show(name, lines, as_json)


@keyring.command("create-master")
@click.argument("label")
@_url
@click.option(
    "--algorithm",
    type=click.Choice(["aes", "3des"]),
    default="aes",
    show_default=True,
    help="3des for the schemes visa, visa2 and emv-cps-1.1.",
)
@click.option(
    "--length",
    type=click.Choice(["16", "24", "32"]),
    help="Bytes  [default: 32 for aes, 16 for 3des]",
)
@click.option(
    "--from",
    "source",
    type=FILE,
    metavar="FILE",
    help="Take the key from a file of mode 0600 (hex, or TOML with key) instead of making a new one.",
)
@click.option("--fixed", is_flag=True, help="With --from: the key is on the cards themselves, as it is.")
@_json
def keyring_create_master(
    label: str,
    url: str | None,
    algorithm: str,
    length: str | None,
    source: Path | None,
    fixed: bool,
    as_json: bool,
) -> None:
    """Put a new master key called LABEL into a ring.

    On a token the key is made there; it can derive and nothing else, and nobody can take it out again: let
    the token's own means make a backup before the first card is issued.
    """
    if fixed and source is None:
        raise click.UsageError("--fixed wants the key of the cards with --from")
    key = None
    if source is not None:
        key, told = read_key(source)
        algorithm = told or algorithm
    ring = _keeper(open_ring(url))
    try:
        if key is None:
            ring.generate(label, int(length or (32 if algorithm == "aes" else 16)), algorithm=algorithm)
        else:
            ring.import_master(label, key, fixed=fixed, algorithm=algorithm)
        lines = ring.inventory() if isinstance(ring, Pkcs11KeyRing) else _lines_of(ring.header)
        _show(ring.name, [line for line in lines if line["label"] == label], as_json)
    finally:
        ring.close()


@keyring.command("create-signer")
@click.argument("label")
@_url
@click.option(
    "--kind",
    default="secp256r1",
    show_default=True,
    help="On a token: rsa-1024 to rsa-4096, secp256r1, secp384r1 or secp521r1.",
)
@click.option("--pem", type=FILE, metavar="FILE", help="Into a file ring: the private key in PEM.")
@_json
def keyring_create_signer(label: str, url: str | None, kind: str, pem: Path | None, as_json: bool) -> None:
    """Put a private key called LABEL into a ring: for tokens of delegated management and load files (DAP).

    A token makes the key itself. A file ring takes it from PEM; its passphrase is typed, or read from the
    file or descriptor that TEGATA_PEM_PASSPHRASE_FILE or TEGATA_PEM_PASSPHRASE_FD names.
    """
    ring = _keeper(open_ring(url))
    try:
        if isinstance(ring, Pkcs11KeyRing):
            ring.generate_signer(label, kind)
            lines = ring.inventory()
        else:
            _import_pem(ring, label, pem)
            lines = _lines_of(ring.header)
        _show(ring.name, [line for line in lines if line["label"] == label], as_json)
    finally:
        ring.close()


def _import_pem(ring: FileKeyRing, label: str, pem: Path | None) -> None:
    if pem is None:
        raise click.UsageError("a file ring takes the private key from --pem FILE")
    try:
        text = read_regular(pem, LARGEST_PEM)
    except ValueError as error:
        raise InputError("input.file", path=str(pem), what=str(error)) from error
    if b"ENCRYPTED" not in text:
        ring.import_signer(label, text)
        return
    prompt = f"Passphrase of {pem}"
    with read_secret(prompt, file=PEM_PASSPHRASE_FILE, descriptor=PEM_PASSPHRASE_FD) as passphrase:
        ring.import_signer(label, text, passphrase)


def _token(ring: KeyRing) -> Pkcs11KeyRing:
    if not isinstance(ring, Pkcs11KeyRing):
        raise _no_keeper(ring)
    return ring


def _keeper(ring: KeyRing) -> FileKeyRing | Pkcs11KeyRing:
    if not isinstance(ring, FileKeyRing | Pkcs11KeyRing):
        raise _no_keeper(ring)
    return ring


def _no_keeper(ring: KeyRing) -> InputError:
    return InputError("keyring.scheme", url=f"{ring.name}:", known="file, pkcs11")


def _show_file(path: Path, as_json: bool) -> None:
    header = FileKeyRing.info(path)
    if as_json:
        masters = [info.model_dump() for info in header.masters]
        signers = [info.model_dump() for info in header.signers]
        version = {"file": str(path), "name": header.name, "version": header.version}
        print_json({**version, "masters": masters, "signers": signers})
        return
    say(f"Key ring {header.name} in {path}", f"鍵リング {header.name} ({path})")
    print_table(
        (("label", "名前"), ("bits", "ビット"), ("check value", "チェック値"), ("origin", "由来")),
        [(info.label, info.length * 8, info.kcv, info.origin) for info in header.masters],
    )


def _lines_of(header: Header) -> list[dict[str, Any]]:
    """The lines of a file ring as a token's inventory has them."""
    masters = [
        {
            "label": info.label,
            "algorithm": info.algorithm,
            "bits": info.length * 8,
            "serves": "fixed" if info.fixed else "master",
            "kcv": info.kcv,
            "origin": info.origin,
            "remark": None,
        }
        for info in header.masters
    ]
    return masters + [
        {
            "label": info.label,
            "algorithm": info.kind,
            "bits": info.bits,
            "serves": "signer",
            "kcv": "",
            "origin": "imported",
            "remark": None,
        }
        for info in header.signers
    ]


def _show(name: str, lines: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"name": name, "keys": lines})
        return
    say(f"Key ring {name}", f"鍵リング {name}")
    columns = ("label", "algorithm", "bits", "serves", "kcv", "origin")
    titles = ("名前", "方式", "ビット", "用途", "チェック値", "由来", "備考")
    headers = list(zip((*columns, "remark"), titles, strict=True))
    print_table(headers, [(*(line[name] for name in columns), _words(line["remark"])) for line in lines])


def _words(remark: str | None) -> str:
    return remark.in_language(language()) if isinstance(remark, Words) else remark or ""
