"""``tegata sim firmware`` and ``tegata sim reader smp``: readers to update, and images to do it with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..apdu.errors import InputError, Words, language
from ..reader_bridge.frames.mcuboot import ImageFault, Version, parse_image
from .devices.mcuboot.board import Board
from .devices.mcuboot.demo import KEY_TYPES, blank_reader, load_imgtool, make_key, payload, public_key, sign
from .devices.mcuboot.device import McubootReader
from .devices.mcuboot.flash import Cut, Geometry, parse_cut
from .devices.mcuboot.flash_file import FlashFile
from .devices.mcuboot.fuses import Fuses
from .reader_host import LineOptions, host, line_options

__all__ = ["firmware", "smp"]

_HARDWARE = "gate-reader-1"
_SIZE = 8192

_STARTED = {
    "en": "Start {start}: the reader runs firmware {version}.",
    "ja": "起動 {start} 回目: リーダーはファームウェア {version} で動作しています。",
}
_DEAD = {
    "en": "The reader found no firmware that it may start ({why}).",
    "ja": "起動できるファームウェアがありません ({why})。",
}
_REFUSED = {
    "en": "The bootloader threw an image away: {why}.",
    "ja": "ブートローダーがイメージを破棄しました: {why}。",
}

_EXISTS = Words("it is there already and was not touched", "既に存在するため変更しませんでした")
_File = click.Path(dir_okay=False, path_type=Path)
_Existing = click.Path(exists=True, dir_okay=False, path_type=Path)


class _VersionType(click.ParamType[Version]):
    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Version:
        try:
            return value if isinstance(value, Version) else Version.parse(value)
        except ValueError as error:
            self.fail(f"{error}: give MAJOR.MINOR.REVISION[+BUILD].", param, ctx)


class _CutType(click.ParamType[Cut]):
    name = "cut"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Cut:
        try:
            return value if isinstance(value, Cut) else parse_cut(value)
        except ValueError:
            self.fail(f"{value!r} is not STEP.PHASE with before, inside, late or after.", param, ctx)


_hardware_id = click.option(
    "--hardware-id", default=_HARDWARE, show_default=True, help="The hardware that an image is made for."
)


@click.group()
def firmware() -> None:
    """Make firmware images and readers to update, to try it without any hardware.

    \b
    A key, a reader with firmware 1.0.0 and the signed firmware 1.1.0, in a new folder:
      tegata sim firmware new demo
      tegata sim reader smp demo/reader.flash --line demo/tty
    Another image, for example one that is refused:
      tegata sim firmware sign demo/old.bin --key demo/vendor.key.pem --version 0.9.0 --security-counter 0

    Images are signed by imgtool; real ones work as well. The firmware in them does nothing.
    """


@firmware.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--key-type", type=click.Choice(KEY_TYPES), default=KEY_TYPES[0], show_default=True)
@_hardware_id
@click.option("--serial", default="00000001", show_default=True, help="The reader's serial number.")
def new(folder: Path, key_type: str, hardware_id: str, serial: str) -> None:
    """Make in FOLDER a key, a reader and two firmware images.

    vendor.key.pem and vendor.pub.pem sign and verify; reader.flash is a reader with firmware-1.0.0.bin in
    it; firmware-1.1.0.bin is the update.
    """
    load_imgtool()
    try:
        folder.mkdir(parents=True, exist_ok=False)
    except OSError as error:
        raise InputError("simreader.folder", file=folder, what=error.strerror) from None
    private = folder / "vendor.key.pem"
    make_key(private, key_type)
    public = public_key(private)
    (folder / "vendor.pub.pem").write_text(public, encoding="ascii")
    images = []
    for number, counter in ((Version(1, 0, 0), 1), (Version(1, 1, 0), 2)):
        raw = sign(payload(number, _SIZE), private, number, hardware_id=hardware_id, counter=counter)
        (folder / f"firmware-{number}.bin").write_bytes(raw)
        images.append(raw)
    fuses = _fuses(hardware_id, (public,), serial=serial)
    FlashFile.create(folder / "reader.flash", fuses, blank_reader(fuses, images[0])).close()
    for file in sorted(folder.iterdir()):
        click.echo(file)


@firmware.command("sign")
@click.argument("file", type=_File)
@click.option("--key", type=_Existing, required=True, help="The private key in PEM.")
@click.option("--version", type=_VersionType(), required=True, help="MAJOR.MINOR.REVISION[+BUILD]")
@_hardware_id
@click.option("--security-counter", type=click.IntRange(0, 0xFFFFFFFF), help="Guards against going back.")
@click.option(
    "--size",
    type=click.IntRange(1, Geometry().largest_image),
    default=_SIZE,
    show_default=True,
    help="Bytes of the firmware itself.",
)
def sign_image(
    file: Path, key: Path, version: Version, hardware_id: str, security_counter: int | None, size: int
) -> None:
    """Make a signed firmware image in FILE. A file that exists is never overwritten."""
    if file.exists():
        raise InputError("simreader.flash", file=file, what=_EXISTS)
    raw = sign(payload(version, size), key, version, hardware_id=hardware_id, counter=security_counter)
    file.write_bytes(raw)
    click.echo(file)


@firmware.command("flash")
@click.argument("file", type=_File)
@click.option("--image", type=_Existing, required=True, help="The firmware that it leaves the factory with.")
@click.option(
    "--key",
    "keys",
    type=_Existing,
    required=True,
    multiple=True,
    help="A public key in PEM whose firmware the reader takes; may be given several times.",
)
@click.option("--hardware-id", help="What images must name; without it what the first image names.")
@click.option("--serial", default="00000001", show_default=True, help="The reader's serial number.")
@click.option("--refuse-older", is_flag=True, help="Refuse lower versions, whatever their security counter.")
def flash_file(
    file: Path, image: Path, keys: tuple[Path, ...], hardware_id: str | None, serial: str, refuse_older: bool
) -> None:
    """Make a reader in FILE: its flash memory, and what is burnt into it."""
    raw = image.read_bytes()
    try:
        named = hardware_id or parse_image(raw).hardware_id
    except ImageFault as fault:
        raise InputError("simreader.image", what=fault.ja if language() == "ja" else fault.en) from None
    pems = tuple(key.read_text(encoding="utf-8", errors="replace") for key in keys)
    fuses = _fuses(named, pems, serial=serial, refuse_older=refuse_older)
    FlashFile.create(file, fuses, blank_reader(fuses, raw)).close()
    click.echo(file)


@click.command()
@click.argument("file", type=_File)
@line_options
@click.option(
    "--cut",
    "cuts",
    type=_CutType(),
    multiple=True,
    metavar="STEP.PHASE",
    help="Lose power at this erase or write of the flash, counted from 1; PHASE is before, inside, late or "
    "after. May be given several times.",
)
def smp(file: Path, line: LineOptions, cuts: tuple[Cut, ...]) -> None:
    """A reader whose firmware is updated over SMP (mcumgr), with MCUboot's two slots; FILE is its flash.

    tegata sim firmware new makes such a file. SIGUSR1 takes the power away and gives it back; killing this
    program does as well. Which firmware runs is said each time the reader starts.
    """
    flash = FlashFile(file)
    try:
        flash.cut_at(*cuts)
        reader = McubootReader(flash, flash.fuses, _say_started)
        host(reader, line, "smp", {"SIGUSR1": reader.power_cycle})
    finally:
        flash.close()


def _say_started(board: Board) -> None:
    lang = language()
    if board.running is None:
        click.echo(_DEAD[lang].format(why=board.boot.refused), err=True)
        return
    if board.boot.refused:
        click.echo(_REFUSED[lang].format(why=board.boot.refused), err=True)
    click.echo(_STARTED[lang].format(start=board.starts, version=board.version), err=True)


def _fuses(hardware_id: str, keys: tuple[str, ...], *, serial: str, refuse_older: bool = False) -> Fuses:
    try:
        return Fuses(hardware_id, keys, serial=serial, refuse_older=refuse_older)
    except ValueError as error:
        raise InputError("simreader.fuses", what=str(error)) from None
