"""``tegata gp info``, ``list``, ``load``, ``install``, ``delete``: what is, comes and goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from .cap_files import open_cap
from .command_options import AID, FILE, HEX, PRIVILEGES, Settings, load_options, verb
from .loading import Load
from .manager import Change, Look, Verb
from .manager.content import Delete, Install
from .manager.loading import install_all, load_package
from .manager.reading import info, list_registry
from .model import Privilege
from .model.tokens import DapBlock

__all__ = ["add_to"]


def add_to(group: click.Group) -> None:
    """Give ``group`` the verbs of this module."""
    for command in (
        info_command,
        list_command,
        load_command,
        install_command,
        delete_command,
    ):
        group.add_command(command)


@verb("info")
def info_command() -> Verb:
    """What the card tells anybody: maker, numbers, protocols, keys. Nothing is authenticated."""
    return Look("info", info, channel=False)


@verb("list")
def list_command() -> Verb:
    """The registry: domains, applications, packages, with life cycles and privileges."""
    return Look("list", list_registry)


@verb("load")
@click.argument("file", type=FILE)
@load_options
@click.pass_obj
def load_command(settings: Settings, /, file: Path, replaces: bool, **how: Any) -> Verb:
    """Load the package in FILE (CAP or load file); nothing is installed from it.

    A package of the same name and version stays as it is. What an interrupted load left is cleaned up first.
    """
    return Change("load", partial(load_package, what=_load(settings, file, how), replaces=replaces))


@verb("install")
@click.argument("what", metavar="FILE|PACKAGE")
@click.option("--module", type=AID, help="Applet of the package (default: each one of the file).")
@click.option("--instance", type=AID, help="Name of the application (default: the applet's).")
@click.option("--privileges", type=PRIVILEGES, default=Privilege.NONE, help="Names, or bytes in hex.")
@click.option("--parameters", type=HEX, default=b"", help="Install parameters, the content of C9.")
@click.option("--not-selectable", is_flag=True, help="Only install; it cannot be selected yet.")
@click.option("--combined", is_flag=True, help="Load and install one applet in one: all of it or nothing.")
@load_options
@click.pass_obj
def install_command(
    settings: Settings,
    /,
    what: str,
    module: bytes | None,
    instance: bytes | None,
    privileges: Privilege,
    parameters: bytes,
    not_selectable: bool,
    combined: bool,
    replaces: bool,
    **how: Any,
) -> Verb:
    """Load FILE and make its applications, or make one from PACKAGE (an AID), which is on the card.

    \b
    tegata gp install applet.cap
    tegata gp install A0000000010101 --module A000000001010101 --instance A000000001010102

    --combined asks the card to load, install and make selectable in one operation, with one token and one
    receipt. Not every card can, and none says so: 6A80 or 6A86 is the answer of one that cannot.
    """
    if combined and not_selectable:
        raise click.UsageError("--combined makes the application selectable.")
    given = (module, instance, privileges, parameters, not not_selectable)
    if re.fullmatch(r"[0-9A-Fa-f]{10,32}", what) and not Path(what).exists():
        if module is None:
            raise click.UsageError("--module says which applet of the package is meant.")
        if combined:
            raise click.UsageError("--combined loads a FILE.")
        step = Install(bytes.fromhex(what), module, instance or module, *given[2:])
        return Change("install", lambda session: [step])
    loaded = _load(settings, Path(what), how)
    plan = partial(install_all, what=loaded, replaces=replaces, combined=combined)
    names = ("module", "instance", "privileges", "parameters", "selectable")
    return Change("install", partial(plan, **dict(zip(names, given, strict=True))))


def _load(settings: Settings, file: Path, how: Mapping[str, Any]) -> Load:
    """Read and signed before the card is touched; a malformed file never reaches it."""
    cap = open_cap(file)
    load = Load.of(
        cap.load_file(descriptor=how["descriptor"]),
        hash_name=how["hash_name"],
        dap=[DapBlock(domain, signature) for domain, signature in how["dap"]],
        domain=how["owner"] or b"",
    )
    digest = load.digest(needed=True)
    made = [DapBlock(domain, settings.signer(key)(digest)) for domain, key in how["dap_key"]]
    return replace(load, dap=(*load.dap, *made))


@verb("delete")
@click.argument("aids", type=AID, nargs=-1, required=True, metavar="AID...")
@click.option("--with-dependents", is_flag=True, help="With its applications; you are told which, and asked.")
def delete_command(aids: tuple[bytes, ...], with_dependents: bool) -> Verb:
    """Delete applications, packages or domains. What is not on the card counts as deleted."""
    return Change("delete", lambda session: [Delete(aid, with_dependents) for aid in aids])
