"""``tegata gp domain`` and ``tegata gp lock``: supplementary domains, and life cycles."""

from __future__ import annotations

from functools import partial

import click

from .command_options import AID, HEX, PRIVILEGES, new_key_options, new_keys, verb
from .manager import Change, Verb
from .manager.content import Extradite, Install, UpdateRegistry
from .manager.domains import personalize
from .manager.life import CARD_STATES, AdvanceCard, LockCard, SetLock
from .model import SSD_MODULE, SSD_PACKAGE, Privilege

__all__ = ["domain", "lock"]


@click.group()
def domain() -> None:
    """Supplementary security domains: create, give keys, hand applications over."""


@verb("create")
@click.argument("aid", type=AID)
@click.option("--privileges", type=PRIVILEGES, default=Privilege.NONE, help="Beside security-domain.")
@click.option("--parameters", type=HEX, default=b"", help="Install parameters, the content of C9.")
@click.option("--package", type=AID, default=SSD_PACKAGE, help="Where domains come from.")
@click.option("--module", type=AID, default=SSD_MODULE, help="Module of that package.")
def create_command(
    aid: bytes, privileges: Privilege, parameters: bytes, package: bytes, module: bytes
) -> Verb:
    """Create the security domain AID; it has no keys yet: personalize gives it some."""
    wanted = privileges | Privilege.SECURITY_DOMAIN
    return Change("domain create", lambda session: [Install(package, module, aid, wanted, parameters)])


@verb("extradite")
@click.argument("aid", type=AID)
@click.option("--to", "target", type=AID, required=True, help="The domain that it will belong to.")
def extradite_command(aid: bytes, target: bytes) -> Verb:
    """Give the application or package AID to another domain."""
    return Change("domain extradite", lambda session: [Extradite(aid, target)])


@verb("update")
@click.argument("aid", type=AID)
@click.option("--privileges", type=PRIVILEGES, required=True, help="All that it shall have.")
def update_command(aid: bytes, privileges: Privilege) -> Verb:
    """Change the privileges of the application or domain AID (INSTALL [for registry update])."""
    return Change("domain update", lambda session: [UpdateRegistry(aid, privileges)])


@verb("personalize")
@click.argument("aid", type=AID)
@new_key_options
def personalize_command(aid: bytes, **new: str | int | None) -> Verb:
    """Give the domain AID its first key set, through the domain that it belongs to.

    \b
    tegata gp --keyring file:keys.json --master badges domain personalize AID --new-version 01
    """
    wanted = new_keys(new)
    return Change("domain personalize", partial(personalize, aid=aid, wanted=wanted), wanted)


@click.group()
def lock() -> None:
    """Lock and unlock the card, an application or a domain; bring the card to its last states."""


@verb("card")
@click.option("--unlock", "state", flag_value="unlocked", help="Back to SECURED.")
@click.option("--initialize", "state", flag_value="initialized", help="From OP_READY; there is no way back.")
@click.option("--secure", "state", flag_value="secured", help="To SECURED; there is no way back.")
@click.option("--terminate", "state", flag_value="terminated", help="For ever; needs the card's identity.")
def card_command(state: str | None) -> Verb:
    """Lock the card: only its issuer's domain answers until --unlock.

    SECURED and TERMINATED cannot be undone: you are told what it means and asked. TERMINATED wants the
    card's identity typed, or given by --card, too.
    """
    if state is not None and state in CARD_STATES:
        return Change("lock card", lambda session: [AdvanceCard(state)])
    return Change("lock card", lambda session: [LockCard(state != "unlocked")])


@verb("app")
@click.argument("aid", type=AID)
@click.option("--unlock", is_flag=True, help="Make it usable again.")
def app_command(aid: bytes, unlock: bool) -> Verb:
    """Lock the application AID: it cannot be selected until --unlock."""
    return Change("lock app", lambda session: [SetLock(aid, not unlock)])


@verb("domain")
@click.argument("aid", type=AID)
@click.option("--unlock", is_flag=True, help="Make it usable again.")
@click.option("--with-applications", is_flag=True, help="All that belongs to it too, in one command.")
def domain_command(aid: bytes, unlock: bool, with_applications: bool) -> Verb:
    """Lock the security domain AID until --unlock."""
    return Change("lock domain", lambda session: [SetLock(aid, not unlock, with_applications)])


for _command in (create_command, extradite_command, update_command, personalize_command):
    domain.add_command(_command)
for _command in (card_command, app_command, domain_command):
    lock.add_command(_command)
