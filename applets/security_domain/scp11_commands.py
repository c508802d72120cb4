"""``tegata gp keys generate``, ``certificates``, ``allow-list``, ``authority``: what SCP11 needs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import click
from cryptography.hazmat.primitives.asymmetric import ec

from ...apdu.errors import InputError, Words
from ...apdu.scp11 import KeyNumber
from .command_options import FILE, HEX, VERSION, verb
from .manager import Change, Verb
from .manager.scp11 import GenerateKeyPair, StoreAllowList, StoreCertificates, authority
from .signing_keys import read_anchor, read_chain

__all__ = ["SCP11_COMMANDS"]

Function = TypeVar("Function", bound=Callable[..., Any])
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
    "brainpool256": ec.BrainpoolP256R1,
    "brainpool384": ec.BrainpoolP384R1,
    "brainpool512": ec.BrainpoolP512R1,
}
CARD_KEYS = ["11", "13", "15"]
"""SK.SD.ECKA of SCP11a, b and c."""


def _of_key(function: Function) -> Function:
    """Which key of the domain is meant."""
    for option in (
        click.option("--version", type=VERSION, required=True, help="Version of the key (hex)."),
        click.option("--kid", type=VERSION, required=True, help="Its number (hex)."),
    ):
        function = option(function)
    return function


@verb("generate")
@click.option("--kid", type=click.Choice(CARD_KEYS), required=True, help="For SCP11a, b or c.")
@click.option("--new-version", type=VERSION, required=True, help="Version of the key (hex).")
@click.option("--curve", type=click.Choice(list(CURVES)), default="p256", show_default=True)
@click.option("--replace", "replaces", is_flag=True, help="Instead of the key pair that is there.")
def generate_command(kid: str, new_version: int, curve: str, replaces: bool) -> Verb:
    """Have the card make a key pair for SCP11; the public key is printed, once, in PEM.

    \b
    tegata gp keys generate --kid 13 --new-version 03 > card.pem

    The private key never leaves the card. A card does not tell the public key again: whoever lost it runs
    this with --replace.
    """
    step = GenerateKeyPair(KeyNumber(int(kid, 16), new_version), CURVES[curve](), replaces)
    return Change("keys generate", lambda session: [step])


@verb("certificates")
@click.argument("file", type=FILE)
@_of_key
def certificates_command(file: Path, kid: int, version: int) -> Verb:
    """Store the certificates in FILE (PEM, the leaf last) with one of the card's keys.

    \b
    tegata gp keys certificates card-chain.pem --kid 13 --version 03
    """
    chain = read_chain(file)
    if not all(after.names(before) and after.signed_by(before.key) for before, after in pairwise(chain)):
        what = Words("each certificate must be signed by the one before it", "証明書が順に署名されていません")
        raise InputError("gp.signing_key", path=str(file), what=what)
    step = StoreCertificates(KeyNumber(kid, version), chain)
    return Change("keys certificates", lambda session: [step])


@verb("allow-list")
@click.option("--certificate", "files", type=FILE, multiple=True, help="Allow this certificate (PEM or DER).")
@click.option("--serial", "serials", type=HEX, multiple=True, help="Allow this serial number.")
@click.option("--clear", is_flag=True, help="Take the list away: every certificate of the authority will do.")
@_of_key
def allow_list_command(
    files: tuple[Path, ...], serials: tuple[bytes, ...], clear: bool, kid: int, version: int
) -> Verb:
    """Say which hosts' certificates of an authority (--kid 10, 20 to 2F) open this card.

    \b
    tegata gp keys allow-list --certificate desk.pem --kid 10 --version 01

    The list replaces the one before it; a card does not tell it.
    """
    if clear == bool(files or serials):
        raise click.UsageError("Give certificates or serial numbers, or --clear.")
    allowed = (*(read_chain(file)[-1].serial for file in files), *serials)
    step = StoreAllowList(KeyNumber(kid, version), allowed)
    return Change("keys allow-list", lambda session: [step])


@verb("authority")
@click.argument("file", type=FILE)
@click.option("--replace", "replaces", is_flag=True, help="Instead of the authority's key that is there.")
@_of_key
def authority_command(file: Path, replaces: bool, kid: int, version: int) -> Verb:
    """Tell the card the authority whose certificate is in FILE.

    \b
    tegata gp keys authority hosts-root.pem --kid 10 --version 01

    With --kid 10 or 20 to 2F its public key is put on the card, and hosts with its certificates open SCP11a
    and c. With --kid 11, 13 or 15 it is the one that certified the card's own key.
    """
    steps = authority(key=KeyNumber(kid, version), anchor=read_anchor(file), replaces=replaces)
    return Change("keys authority", lambda session: steps)


SCP11_COMMANDS = (generate_command, certificates_command, allow_list_command, authority_command)
