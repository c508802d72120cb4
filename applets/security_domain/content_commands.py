"""``tegata gp info``, ``list``, ``install``, ``delete``: what is on the card, and what goes on and off it."""

from __future__ import annotations

import click

from .command_options import AID, HEX, PRIVILEGES, verb
from .manager import Change, Look, Verb
from .manager.content import Delete, Install
from .manager.reading import info, list_registry
from .model import Privilege

__all__ = ["add_to"]


def add_to(group: click.Group) -> None:
    """Give ``group`` the verbs of this module."""
    for command in (info_command, list_command, install_command, delete_command):
        group.add_command(command)


@verb("info")
def info_command() -> Verb:
    """What the card tells anybody: maker, numbers, protocols, keys. Nothing is authenticated."""
    return Look("info", info, channel=False)


@verb("list")
def list_command() -> Verb:
    """The registry: domains, applications, packages, with life cycles and privileges."""
    return Look("list", list_registry)


@verb("install")
@click.argument("package", type=AID)
@click.option("--module", type=AID, required=True, help="Applet of the package.")
@click.option("--instance", type=AID, help="Name of the application (default: the module's).")
@click.option("--privileges", type=PRIVILEGES, default=Privilege.NONE, help="Names, or bytes in hex.")
@click.option("--parameters", type=HEX, default=b"", help="Install parameters, the content of C9.")
@click.option("--not-selectable", is_flag=True, help="Only install; it cannot be selected yet.")
def install_command(
    package: bytes,
    module: bytes,
    instance: bytes | None,
    privileges: Privilege,
    parameters: bytes,
    not_selectable: bool,
) -> Verb:
    """Make an application from PACKAGE, which is on the card."""
    step = Install(package, module, instance or module, privileges, parameters, not not_selectable)
    return Change("install", lambda session: [step])


@verb("delete")
@click.argument("aids", type=AID, nargs=-1, required=True, metavar="AID...")
@click.option("--with-dependents", is_flag=True, help="With its applications; you are told which, and asked.")
def delete_command(aids: tuple[bytes, ...], with_dependents: bool) -> Verb:
    """Delete applications, packages or domains. What is not on the card counts as deleted."""
    return Change("delete", lambda session: [Delete(aid, with_dependents) for aid in aids])
