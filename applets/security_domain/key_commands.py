"""``tegata gp keys``: list, put, rotate and delete the key sets of a domain."""

from __future__ import annotations

from functools import partial

import click

from .command_options import VERSION, new_key_options, new_keys, verb
from .manager import Change, Look, Verb
from .manager.keys import DeleteKeys, put, rotate
from .manager.reading import list_keys

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


@verb("delete")
@click.argument("version", type=VERSION)
def delete_command(version: int) -> Verb:
    """Delete every key of VERSION (hex). The last set goes only after you agree to what that means."""
    return Change("keys delete", lambda session: [DeleteKeys(version)])


for _command in (list_command, put_command, rotate_command, delete_command):
    keys.add_command(_command)
