"""``tegata bridge`` and ``tegata portal``: parse, call, print."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ..apdu.errors import InputError
from ..simulators import pki
from .service import Bridge, BridgeOptions, Identity, Persona, Portals, Standing
from .service.portals import make_key, public_keys
from .signing import NO_ANCHORS, Anchors, CrlFolder
from .store import Settings

__all__ = ["bridge", "portal"]

SIMULATED = "sim"

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
_portal_folder = click.option(
    "--portal-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of portal registrations (default: portals in tegata's own folder).",
)


@click.group()
def bridge() -> None:
    """Serve logins and signatures with cards to portals.

    \b
    The bridge runs where the card reader is. A registered portal sends it a signed request, either from
    its back end (pushed) or through the user's browser (carried). The user agrees and types the PIN on the
    bridge's own page; the portal never sees it.

    \b
    With a simulated card, step by step:
      tegata sim new my-number-card card.sim
      tegata portal key portal.jwk
      tegata portal add example --name Example --standing test \\
          --origin http://127.0.0.1:8700 --return-url http://127.0.0.1:8700/return --key portal.jwk
      tegata bridge serve --reader sim:card.sim --port 8600 --anchors sim
    """


@bridge.command()
@click.option("--reader", required=True, metavar="URL", help="pcsc:NAME, or sim:FILE for a simulated card.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8600,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--name", "names", multiple=True, metavar="HOST:PORT", help="A further name that browsers may use for it."
)
@_portal_folder
@click.option(
    "--anchors",
    multiple=True,
    metavar="sim|FOLDER",
    help="Root certificates to trust: a folder, or sim for simulated cards (test portals only). Repeatable.",
)
@click.option(
    "--crl-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of revocation lists (*.crl); without an answer, portals other than test get nothing.",
)
@click.option(
    "--auto",
    metavar="PERSONA",
    help="Agree and type PINs by itself: a preset's name or a TOML file. Simulated cards only.",
)
@_json
def serve(
    reader: str,
    host: str,
    port: int,
    names: tuple[str, ...],
    portal_dir: Path | None,
    anchors: tuple[str, ...],
    crl_dir: Path | None,
    auto: str | None,
    as_json: bool,
) -> None:
    """Run the bridge until Ctrl-C.

    \b
    It prints its address and its id; requests name the id as their audience (aud), and results are signed
    with the key whose thumbprint it is. By default it listens on this machine only and trusts no card:
    say whom to trust with --anchors.

    Exit codes: 45 when another bridge runs on the same data, 82 when the port is taken, 83 for --auto on a
    real reader, 89 for unreadable anchors.
    """
    settings = Settings.load()
    options = BridgeOptions(
        reader=reader,
        home=settings.file("bridge"),
        portals=portal_dir or settings.file("portals"),
        anchors=_anchors(anchors),
        simulated=Anchors(pki.anchors()) if SIMULATED in anchors else NO_ANCHORS,
        revocation=CrlFolder(crl_dir) if crl_dir else None,
        persona=Persona.load(auto) if auto else None,
        host=host,
        port=port,
        names=names,
    )
    running = Bridge(options)
    shown = {"url": running.url, "id": running.id}
    click.echo(json.dumps(shown) if as_json else f"{running.url}\n{running.id}")
    running.run()


@bridge.command("id")
@_json
def show_id(as_json: bool) -> None:
    """Print the id of this installation's bridge, which portals put into their requests."""
    home = Settings.load().file("bridge")
    home.mkdir(mode=0o700, exist_ok=True)
    identity = Identity.load(home / "bridge-identity.json")
    click.echo(json.dumps({"id": identity.id}) if as_json else identity.id)


@click.group()
def portal() -> None:
    """Register the portals that may ask the bridge."""


@portal.command("key")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@_json
def new_key(path: Path, as_json: bool) -> None:
    """Make a new key for a portal: it signs the portal's requests and opens the answers.

    \b
    FILE gets the private key as a JWK (P-256, for ES256), readable by you alone, and is never overwritten.
    The portal keeps it; tegata portal add takes only its public part. Printed is the key's thumbprint
    (RFC 7638), which the portal's operator and the bridge's can compare.

    Exit codes: 41 when FILE cannot be written, 43 when it exists already.
    """
    thumbprint = make_key(path)
    shown = {"file": str(path), "thumbprint": thumbprint}
    click.echo(json.dumps(shown) if as_json else thumbprint)


@portal.command()
@click.argument("portal_id", metavar="ID")
@click.option("--name", required=True, help="What the consent page calls it.")
@click.option(
    "--standing",
    required=True,
    type=click.Choice([standing.value for standing in Standing]),
    help="On what ground it may verify JPKI certificates; test takes simulated cards only.",
)
@click.option("--origin", "origins", required=True, multiple=True, help="https://host[:port] of its pages.")
@click.option(
    "--return-url", "return_urls", required=True, multiple=True, help="Where users go back to, exactly."
)
@click.option(
    "--key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JWK or JWK set; only the public part is kept.",
)
@click.option("--pairwise", is_flag=True, help="Give it a name of its own for each user, never certificates.")
@click.option("--bare-hash", is_flag=True, help="Let it ask for signatures over hashes without a label.")
@_portal_folder
@_json
def add(
    portal_id: str,
    name: str,
    standing: str,
    origins: tuple[str, ...],
    return_urls: tuple[str, ...],
    key: Path,
    pairwise: bool,
    bare_hash: bool,
    portal_dir: Path | None,
    as_json: bool,
) -> None:
    """Register the portal ID (lower-case letters, digits, dots and hyphens).

    \b
    Standing: administrative, accredited, operator (through an accredited operator), test, or none. Without
    standing a portal gets a pairwise name for each user and no signatures, since those carry certificates.
    A running bridge sees a new portal at once.

    Exit codes: 80 for a registration that is not right, 81 when the id is taken.
    """
    made = Portals.make(
        id=portal_id,
        name=name,
        standing=standing,
        origins=origins,
        return_urls=return_urls,
        keys=public_keys(key.read_bytes(), str(key)),
        pairwise=pairwise,
        bare_hash=bare_hash,
    )
    path = Portals(portal_dir or Settings.load().file("portals")).add(made)
    click.echo(json.dumps({"id": made.id, "file": str(path)}) if as_json else str(path))


@portal.command("list")
@_portal_folder
@_json
def list_portals(portal_dir: Path | None, as_json: bool) -> None:
    """List the registered portals."""
    found = list(Portals(portal_dir or Settings.load().file("portals")))
    if as_json:
        click.echo(json.dumps([item.model_dump(mode="json", exclude={"keys"}) for item in found]))
        return
    table = Table("ID", "Name", "Standing", "Origins")
    for item in found:
        table.add_row(item.id, item.name, item.standing, "\n".join(item.origins))
    Console().print(table)


def _anchors(given: tuple[str, ...]) -> Anchors:
    roots: tuple[bytes, ...] = ()
    for folder in given:
        if folder == SIMULATED:
            continue
        if not Path(folder).is_dir():
            raise InputError("bridge.anchors", path=folder, what="no such folder")
        roots += Anchors.read(Path(folder)).roots
    return Anchors(roots)
