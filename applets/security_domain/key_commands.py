"""``tegata gp keys``: list, put, rotate and delete the keys of a domain."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .command_options import FILE, VERSION, new_key_options, new_keys, verb
from .manager import Change, Look, Verb
from .manager.keys import DeleteKeys, put, put_public, put_single, rotate
from .manager.reading import list_keys
from .model.signatures import SymmetricKey
from .scp11_commands import SCP11_COMMANDS
from .signing_keys import read_verifying_key

__all__ = ["keys"]


@click.group()
def keys() -> None:
    """Key sets of a security domain: list, put, rotate, delete.

    Keys come from a key ring or a key file, never from the command line. What a card may hold is written into
    the ledger before anything is sent; when the card is torn away or this program dies, run the same command
    again: it finishes, or sets the card aside without spending a try.
    """


@verb("list")
def list_command() -> Verb:
    """Numbers, versions, types and lengths of the keys; needs no key."""
    return Look("keys list", list_keys, channel=False)


@verb("put")
@click.option("--replace", is_flag=True, help="Instead of the set that opens the channel, in one command.")
@new_key_options
def put_command(replace: bool, **new: str | int | None) -> Verb:
    """Put a key set beside those that are there, as --new-version; it must open a channel afterwards.

    \b
    tegata gp --keys default keys put --keyring file:keys.json --new-master badges --new-version 01

    With --replace the old keys are gone at once, without a proof of the new ones in between; rotate is safer.
    """
    wanted = new_keys(new)
    return Change("keys put", partial(put, wanted=wanted, replaces=replace), wanted)


@verb("rotate")
@new_key_options
def rotate_command(**new: str | int | None) -> Verb:
    """Change keys: put the new set, open a channel with it, then delete the old one.

    \b
    tegata gp --keys default --keyring file:keys.json keys rotate --new-master badges --new-version 01

    Running it again after anything that went wrong finishes it; on a finished card it changes nothing.
    """
    wanted = new_keys(new)
    return Change("keys rotate", partial(rotate, wanted=wanted), wanted)


KID = click.option(
    "--kid", type=VERSION, metavar="HEX", default="01", show_default=True, help="Number of the key (hex)."
)
AGAIN = click.option("--replace", is_flag=True, help="Instead of the key that is there.")


@verb("put-public")
@click.argument("file", type=FILE)
@click.option("--new-version", type=VERSION, required=True, help="70 tokens, 73 load files (hex).")
@KID
@AGAIN
def put_public_command(file: Path, new_version: int, kid: int, replace: bool) -> Verb:
    """Put the public key in FILE (PEM, RSA or EC), which verifies tokens or load files.

    \b
    tegata gp keys put-public token-public.pem --new-version 70
    """
    key = read_verifying_key(file)
    if isinstance(key, SymmetricKey):
        raise click.UsageError("FILE holds no public key; keys put-single puts an AES key.")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    steps = put_public(version=new_version, kid=kid, key=key, spki=spki, replaces=replace)
    return Change("keys put-public", lambda session: steps)


@verb("put-single")
@click.option(
    "--for", "usage", type=click.Choice(["token", "receipt", "dap"]), required=True, help="Its use."
)
@KID
@AGAIN
@new_key_options
def put_single_command(usage: str, kid: int, replace: bool, **new: str | int | None) -> Verb:
    """Put one symmetric key that makes receipts, or verifies tokens or load files.

    \b
    tegata gp keys put-single --for receipt --new-keys receipt.hex --new-version 71
    """
    wanted = new_keys(new)
    plan = partial(put_single, wanted=wanted, kid=kid, usage=usage, replaces=replace)
    return Change("keys put-single", plan, wanted)


@verb("delete")
@click.argument("version", type=VERSION)
def delete_command(version: int) -> Verb:
    """Delete every key of VERSION (hex). The last set goes only after you agree to what that means."""
    return Change("keys delete", lambda session: [DeleteKeys(version)])


for _command in (
    list_command,
    put_command,
    rotate_command,
    put_public_command,
    put_single_command,
    delete_command,
    *SCP11_COMMANDS,
):
    keys.add_command(_command)
