"""``tegata gp token`` and ``tegata gp receipt``: made and checked without a card (GPC 2.3.1 §C.4, §C.5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from ...apdu.command import Command
from ...apdu.errors import CardError, InputError, language
from .cap_files import open_cap
from .command_options import AID, HEX, PRIVILEGES, REFERENCE, Settings
from .model import AID as ISSUER_DOMAIN
from .model import Ins, Privilege, requests
from .model.cap import load_file_hash
from .model.parameters import InstallParameters, LoadParameters
from .model.receipts import Receipt
from .model.requests import Request
from .model.signatures import verify
from .model.tokens import ControlReference, fields_of, split_delete, split_install, token_input

__all__ = ["receipt", "token"]

Function = TypeVar("Function", bound=Callable[..., Any])
OPERATIONS = {
    "load": "FILE",
    "install": "PACKAGE MODULE INSTANCE",
    "extradite": "AID",
    "update": "AID",
    "delete": "AID",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_key = click.option(
    "--key",
    required=True,
    metavar="FILE|ring:LABEL",
    help="PEM of an RSA or EC key, hex of an AES key in a file of your own, or a key of the ring.",
)


@click.group()
def token() -> None:
    """Tokens for delegated and authorised management: make and check them, without a card.

    The command that they allow is described as it will be sent; --reference binds the token to a card, a
    provider and a number. With --token-key, the verbs that change a card make their tokens themselves.
    """


@click.group()
def receipt() -> None:
    """Receipts that a card gives for delegated management: check them, without a card."""


def operation(function: Function) -> Function:
    """The command that a token allows or a receipt confirms."""
    options = (
        click.argument("kind", type=click.Choice(list(OPERATIONS)), metavar="OPERATION"),
        click.argument("names", nargs=-1, metavar="NAMES..."),
        click.option("--domain", "owner", type=AID, default=ISSUER_DOMAIN, help="Package's owner (load)."),
        click.option("--hash", "hash_name", default="sha256", show_default=True, help="Of the file (load)."),
        click.option("--descriptor", is_flag=True, help="The file with its Descriptor component (load)."),
        click.option("--privileges", type=PRIVILEGES, default=Privilege.NONE, help="(install, update)"),
        click.option("--parameters", type=HEX, default=b"", help="Content of C9 (install)."),
        click.option("--not-selectable", is_flag=True, help="Only install, do not make selectable."),
        click.option("--from", "old", type=AID, default=ISSUER_DOMAIN, help="Domain before (extradite)."),
        click.option("--to", "new", type=AID, help="Domain afterwards (extradite)."),
        click.option("--with-dependents", is_flag=True, help="P2 80 (delete)."),
        click.option("--reference", type=REFERENCE, help="Binds it: iin=,cin=,provider=,number= in hex."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def request_of(kind: str, names: tuple[str, ...], how: Mapping[str, Any]) -> Request:
    """The command, without its token. Raises click.UsageError for names that do not fit it."""
    wanted = OPERATIONS[kind].split()
    if len(names) != len(wanted):
        raise click.UsageError(f"{kind} needs {OPERATIONS[kind]}.")
    reference: ControlReference | None = how["reference"]
    if kind == "load":
        cap = open_cap(Path(names[0]))
        digest = load_file_hash(cap.load_file(descriptor=how["descriptor"]), how["hash_name"])
        parameters = bytes(LoadParameters(reference=reference))
        return requests.load_request(cap.aid, how["owner"], digest, parameters)
    aids = [AID.convert(name, None, None) for name in names]
    bound = InstallParameters(reference=reference, for_application=False)
    if kind == "install":
        given = bytes(InstallParameters(how["parameters"], reference=reference))
        selectable = not how["not_selectable"]
        package, module, instance = aids
        return requests.install_request(
            package, module, instance, how["privileges"], given, selectable=selectable
        )
    if kind == "delete":
        return requests.delete_request(aids, related=how["with_dependents"], reference=reference)
    if kind == "update":
        return requests.update_request(aids[0], how["privileges"], bytes(bound), old=how["old"])
    if how["new"] is None:
        raise click.UsageError("extradite needs --to.")
    return requests.extradition_request(how["old"], aids[0], how["new"], bytes(bound))


@token.command("make")
@operation
@_key
@_json
@click.pass_context
def make_command(
    ctx: click.Context, /, kind: str, names: tuple[str, ...], key: str, as_json: bool, **how: Any
) -> None:
    """Make the token for OPERATION: load, install, extradite, update or delete.

    \b
    tegata gp token make delete A0000000010101 --key token.pem
    tegata gp token make load app.cap --domain A000000151000000 --key ring:tokens

    Prints the token and the command that carries it.
    """
    request = request_of(kind, names, how)
    made = _opener(ctx).signer(key)(request.token_input)
    if as_json:
        found = {"token": made, "input": request.token_input, "command": bytes(request.command(made))}
        click.echo(json.dumps({name: value.hex().upper() for name, value in found.items()}, indent=2))
        return
    click.echo(made.hex().upper())
    click.echo(bytes(request.command(made)).hex().upper())


@token.command("check")
@click.argument("command", type=HEX, metavar="APDU")
@_key
@_json
@click.pass_context
def check_command(ctx: click.Context, command: bytes, key: str, as_json: bool) -> None:
    """Check the token inside APDU, an INSTALL or DELETE in hex.

    \b
    Exit codes: 207 the token is not for this command, not of this key, or not there.
    """
    signed, found = _taken_apart(command)
    if not found or not verify(_opener(ctx).verifier(key), signed, found):
        raise CardError("gp.token_wrong")
    if as_json:
        click.echo(json.dumps({"valid": True, "token": found.hex().upper(), "input": signed.hex().upper()}))
    else:
        click.echo(_both("The token is for this command.", "トークンはこのコマンドのものです。"))


def _taken_apart(raw: bytes) -> tuple[bytes, bytes]:
    """What the token of a command signs, and the token. Raises InputError ``input.apdu``."""
    try:
        command = Command.parse(raw)
        if command.ins == Ins.DELETE:
            _, found, signed = split_delete(command.data)
        else:
            _, found, signed = split_install(command.data, fields_of(command.p1))
    except ValueError as error:
        raise InputError("input.apdu", text=raw[:4].hex().upper(), what=str(error)) from None
    return token_input(command.p1, command.p2, signed), found


@receipt.command("check")
@click.argument("answer", type=HEX, metavar="ANSWER")
@operation
@_key
@_json
@click.pass_context
def receipt_check_command(
    ctx: click.Context,
    /,
    answer: bytes,
    kind: str,
    names: tuple[str, ...],
    key: str,
    as_json: bool,
    **how: Any,
) -> None:
    """Check ANSWER, the data that a card gave to OPERATION, in hex.

    \b
    tegata gp receipt check 1D10… delete A0000000010101 --key receipt.hex

    Exit codes: 204 the receipt is not for this, or not of this key.
    """
    request = request_of(kind, names, how)
    try:
        found = Receipt.parse(answer, numbered=request.numbered)
    except ValueError as error:
        raise InputError("input.apdu", text=answer[:4].hex().upper(), what=str(error)) from None
    if found is None or not found.verify(_opener(ctx).verifier(key), request.context):
        raise CardError("gp.receipt", counter="-" if found is None else found.confirmation.counter)
    if as_json:
        click.echo(json.dumps({"valid": True, **found.to_json()}))
        return
    number = found.confirmation.counter
    click.echo(_both(f"Receipt {number} is for this.", f"受領証 {number} はこの操作のものです。"))


def _opener(ctx: click.Context) -> Settings:
    settings = ctx.find_object(Settings)
    if settings is None:
        raise RuntimeError("tegata gp gives its verbs a way to keys")
    return settings


def _both(en: str, ja: str) -> str:
    return ja if language() == "ja" else en
