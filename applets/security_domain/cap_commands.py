"""``tegata gp cap``: what a CAP file holds, whether it is well formed, its hash, and the load file in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ...apdu.errors import InputError, Words, language
from .cap_files import cap_json, load_file_forms, open_cap, remarks
from .model.cap import HASHES, Cap, Package, load_file_hash

__all__ = ["cap"]

FILE = click.Path(dir_okay=False, path_type=Path)
FORMS = {
    "without_descriptor": Words("Load file, without Descriptor", "ロードファイル (Descriptor なし)"),
    "with_descriptor": Words("Load file, with Descriptor", "ロードファイル (Descriptor あり)"),
}
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_descriptor = click.option(
    "--descriptor",
    is_flag=True,
    help="With the Descriptor component, as pySim and gpshell load it; GlobalPlatformPro leaves it out.",
)


@click.group()
def cap() -> None:
    """Look into CAP files and raw load files (.ijc); no card is needed.

    Exit codes: 48 no such file, or not one of this kind; 49 not well formed, with the component and the byte.
    """


@cap.command()
@click.argument("file", type=FILE)
@_json
def show(file: Path, as_json: bool) -> None:
    """Show packages, applets, imports, sizes and hashes of FILE.

    Of the load file both forms are shown that hosts send: without the Descriptor component and with it. Each
    has a hash of its own, and a token or a signature is for one of them.
    """
    found = open_cap(file)
    if as_json:
        click.echo(json.dumps(cap_json(file, found), ensure_ascii=False, indent=2))
        return
    lang = language()
    for label, value in _lines(found):
        click.echo(f"{label.in_language(lang)}: {value}")


def _lines(cap_file: Cap) -> list[tuple[Words, str]]:
    contents = cap_file.contents
    extended = Words(" extended", " 拡張形式").in_language(language()) if contents.extended else ""
    lines = [
        (Words("Package", "パッケージ"), _hex(cap_file.aid)),
        (Words("Version", "バージョン"), str(cap_file.version)),
        (Words("Name", "名前"), cap_file.name or "-"),
        (Words("CAP format", "CAP 形式"), f"{contents.format}{extended}"),
    ]
    if contents.extended:
        lines += [(Words("Public package", "公開パッケージ"), _package(one)) for one in cap_file.packages]
    lines += [(Words("Applet", "アプレット"), _hex(aid)) for aid in cap_file.applet_aids]
    lines += [(Words("Imports", "インポート"), _package(one)) for one in cap_file.imports]
    sizes = ", ".join(f"{component.name} {component.size}" for component in contents.components)
    lines.append((Words("Components (bytes)", "コンポーネント (バイト)"), sizes))
    image = Words("Static fields (bytes)", "静的フィールド (バイト)")
    lines.append((image, str(contents.static_fields.sizes.image)))
    for form, raw in load_file_forms(cap_file).items():
        lines.append((FORMS[form], f"{len(raw)}"))
        lines += [
            (Words(f"  {name.upper()}", f"  {name.upper()}"), load_file_hash(raw, name).hex())
            for name in ("sha1", "sha256")
        ]
    lines += [(Words("Note", "注意"), remark.in_language(language())) for remark in remarks(cap_file)]
    return lines


@cap.command(name="hash")
@click.argument("file", type=FILE)
@click.option("--algorithm", type=click.Choice(HASHES), default="sha256", show_default=True)
@_descriptor
def hash_command(file: Path, algorithm: str, descriptor: bool) -> None:
    """Print the load file data block hash of FILE in hex, as INSTALL [for load] and DAP blocks carry it."""
    click.echo(load_file_hash(open_cap(file).load_file(descriptor=descriptor), algorithm).hex())


@cap.command()
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@_json
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Check that each FILE is well formed: every size, count, offset and token in it.

    Bytecode is not verified. The exit code is that of the first file with a fault.
    """
    results = [_checked(file) for file in files]
    if as_json:
        click.echo(json.dumps([result.to_json() for result in results], ensure_ascii=False, indent=2))
    else:
        for result in results:
            click.echo(result.line(language()), err=result.error is not None)
    return next((result.error.exit_code for result in results if result.error), 0)


@dataclass(frozen=True, slots=True)
class _Checked:
    file: Path
    remarks: tuple[Words, ...] = ()
    error: InputError | None = None

    def line(self, lang: str) -> str:
        if self.error is not None:
            return self.error.sentence(lang)
        fine = Words("well formed", "正常です").in_language(lang)
        return f"{self.file}: {'; '.join([fine, *(remark.in_language(lang) for remark in self.remarks)])}"

    def to_json(self) -> dict[str, Any]:
        found = {"file": str(self.file), "ok": self.error is None, "remarks": list(self.remarks)}
        if self.error is None:
            return found
        return found | {"code": self.error.code, "sentence": self.error.sentence()} | self.error.details


def _checked(file: Path) -> _Checked:
    try:
        return _Checked(file, tuple(remarks(open_cap(file))))
    except InputError as error:
        return _Checked(file, error=error)


@cap.command()
@click.argument("file", type=FILE)
@click.argument("output", type=FILE)
@_descriptor
@click.option("--debug", is_flag=True, help="With the Debug component, which no card is given.")
def extract(file: Path, output: Path, descriptor: bool, debug: bool) -> None:
    """Write the load file in FILE to OUTPUT: the components one after the other, in the standard's order.

    \b
    Exit codes: 43 OUTPUT exists, 41 it cannot be written.
    """
    raw = open_cap(file).load_file(descriptor=descriptor, debug=debug)
    try:
        with output.open("xb") as stream:
            stream.write(raw)
    except FileExistsError:
        raise InputError("input.exists", path=str(output)) from None
    except OSError as error:
        raise InputError("input.file", path=str(output), what=error.strerror) from error
    click.echo(output)


def _package(package: Package) -> str:
    return " ".join(part for part in (_hex(package.aid), str(package.version), package.name) if part)


def _hex(raw: bytes) -> str:
    return raw.hex().upper()
