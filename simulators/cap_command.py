"""``tegata sim cap``: a CAP file to load onto a simulated card."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ..apdu.errors import InputError
from ..applets.security_domain.model.cap import CapDraft, Version, write_cap
from .apps import packages

__all__ = ["cap"]

AID_DIGITS = re.compile(r"(?:[0-9A-Fa-f]{2}){5,16}")
FIRST_APPLET = b"\x01"
COMPACT, EXTENDED = Version(2, 2), Version(2, 3)


class _WithPackages(click.Command):
    """Lists the packages that come alive below the options."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Packages"):
            formatter.write_dl([(name, aid.hex().upper()) for name, aid in _names().items()])


def _names() -> dict[str, bytes]:
    """Packages with a model, by the name of their first one."""
    return {next(iter(modules.values())): aid for aid, modules in packages().items()}


@click.command(cls=_WithPackages)
@click.argument("package", metavar="NAME|AID")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--applet", "applets", multiple=True, metavar="AID", help="AID of an applet; may be repeated.")
@click.option("--library", is_flag=True, help="A package without applets, for others to import.")
@click.option("--version", "package_version", default="1.0", show_default=True, help="Of the package.")
@click.option("--size", type=click.IntRange(1), metavar="BYTES", help="How large the load file shall be.")
@click.option("--extended", is_flag=True, help="In the extended format of Java Card 3.1.")
def cap(
    package: str,
    file: Path,
    applets: tuple[str, ...],
    library: bool,
    package_version: str,
    size: int | None,
    extended: bool,
) -> None:
    """Write a CAP file for simulated cards to FILE.

    NAME is a package that comes alive once it is loaded: its applets are those of this simulator. With an AID
    instead, it is a package that a simulated card stores and installs, and whose applets answer nothing but
    SELECT. No file of this kind holds real code: a real card is of no use for it.

    \b
    tegata sim cap entry-badge badge.cap
    tegata sim cap F0000000010001 other.cap --size 20480
    """
    draft = _draft(package, applets, library=library, version=package_version, size=size, extended=extended)
    try:
        raw = write_cap(draft)
    except ValueError as error:
        raise InputError("cap.draft", what=str(error)) from error
    try:
        with file.open("xb") as stream:
            stream.write(raw)
    except FileExistsError:
        raise InputError("input.exists", path=str(file)) from None
    except OSError as error:
        raise InputError("input.file", path=str(file), what=error.strerror) from error
    click.echo(file)


def _draft(
    package: str, applets: tuple[str, ...], *, library: bool, version: str, size: int | None, extended: bool
) -> CapDraft:
    if library and applets:
        raise click.UsageError("A library has no applets.")
    aid = _names().get(package) or _aid(package)
    modules = tuple(packages().get(aid, {}))
    if modules and (library or applets):
        raise click.UsageError(f"{package} has its own applets.")
    chosen = tuple(map(_aid, applets)) or (() if library else modules or (_first_applet(aid),))
    numbers = re.fullmatch(r"(\d{1,3})\.(\d{1,3})", version)
    if numbers is None or max(map(int, numbers.groups())) > 0xFF:
        raise InputError("cap.draft", what="a version is two numbers up to 255, such as 1.0")
    try:
        return CapDraft(
            aid=aid,
            version=Version(*map(int, numbers.groups())),
            applets=chosen,
            format=EXTENDED if extended else COMPACT,
            extended=extended,
            size=size,
        )
    except ValueError as error:
        raise InputError("cap.draft", what=str(error)) from error


def _aid(text: str) -> bytes:
    if AID_DIGITS.fullmatch(text) is None:
        raise InputError("cap.package", name=text, known=", ".join(_names()))
    return bytes.fromhex(text)


def _first_applet(aid: bytes) -> bytes:
    """The package's AID and 01; where that is too long, its last byte gives way."""
    return (aid + FIRST_APPLET)[:16] if len(aid) < 16 else aid[:-1] + bytes((aid[-1] ^ 1,))
