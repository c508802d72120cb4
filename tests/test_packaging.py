"""The wheel: nothing forgotten, nothing too much, at home beside a project with folders named like ours."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tegata.cli import SUBCOMMANDS

ROOT = Path(__file__).resolve().parent.parent
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
TOPS = ["apdu", "applets", "provisioning", "reader_bridge", "simulators"]

# Walks the click tree of the installed package below one word, asks every command on the way for its help,
# and prints by path what was shown.
WALK = """
import contextlib, io, json, sys, click
from tegata.cli import cli, main

def walk(command, path):
    yield path
    if isinstance(command, click.Group):
        with click.Context(command, info_name="tegata") as context:
            for name in command.list_commands(context):
                yield from walk(command.get_command(context, name), [*path, name])

def shown(path):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*path, "--help"])
    return code, out.getvalue(), err.getvalue()

with click.Context(cli) as context:
    top = cli.get_command(context, sys.argv[1])
print(json.dumps({" ".join(path): shown(path) for path in walk(top, [sys.argv[1]])}))
"""


def house_files() -> list[Path]:
    """Every file of the package as it stands in the working tree, relative to the root."""
    return [
        path.relative_to(ROOT)
        for top in TOPS
        for path in sorted((ROOT / top).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def example_files() -> list[Path]:
    """What the demo plays, which goes into the wheel as data."""
    patterns = ("*.csv", "*.toml", "portal/*.py")
    return [path.relative_to(ROOT) for glob in patterns for path in sorted((ROOT / "examples").glob(glob))]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network from a copy of what the build needs."""
    source = tmp_path_factory.mktemp("source")
    for name in [
        *house_files(),
        *example_files(),
        *map(Path, ["cli.py", "pyproject.toml", "README.md", "LICENSE"]),
    ]:
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    # Neighbours that must stay out of it.
    for name in ["tests", "docs", "examples"]:
        (source / name).mkdir(exist_ok=True)
        (source / name / "__init__.py").touch()
    subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "uv",
            *["build", "--quiet", "--offline", "--wheel", "--no-build-isolation"],
            *["--python", sys.executable, "--out-dir", source / "dist", source],
        ],
        check=True,
    )
    (built,) = (source / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="session")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's project with folders named like ours, and an environment with the wheel installed.

    Dependencies come from the environment of this test through a path file; the editable installation
    there is not seen, since path files of a directory added by a path file are not read.
    """
    root = tmp_path_factory.mktemp("project")
    for name in ["cli.py", "tests/__init__.py", "simulators/__init__.py", "apdu/__init__.py"]:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"MINE = {name!r}\n", encoding="utf-8")
    venv.create(root / "env", with_pip=False, symlinks=True)
    python = root / "env" / "bin" / "python"
    subprocess.run(
        [
            Path(sysconfig.get_path("scripts")) / "uv",
            *["pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel],
        ],
        check=True,
    )
    (site_packages,) = (root / "env" / "lib").glob("python3*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return root


def run(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [project / "env" / "bin" / arguments[0], *arguments[1:]],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_package_folder_is_listed() -> None:
    folders = {path.parent for path in house_files() if path.suffix == ".py"}
    assert set(SETUPTOOLS["packages"]) == {"tegata"} | {
        "tegata." + ".".join(folder.parts) for folder in folders
    }


def test_every_package_folder_has_its_init() -> None:
    folders = {path.parent for path in house_files() if path.suffix == ".py"}
    assert [folder for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []


def test_the_wheel_holds_every_file_of_the_house_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name) for name in archive.namelist() if ".dist-info/" not in name}
    expected = [*house_files(), *example_files(), Path("cli.py")]
    assert packed == {Path("tegata") / name for name in expected}


def test_every_top_package_says_that_it_is_typed() -> None:
    assert [top for top in TOPS if not (ROOT / top / "py.typed").exists()] == []


def test_it_imports_beside_a_project_with_the_same_folder_names(project: Path) -> None:
    result = run(
        project,
        "python",
        "-c",
        "import cli, tests, simulators, apdu\n"
        "from tegata.apdu import Command\n"
        "import tegata.apdu, tegata.simulators\n"
        "print(cli.MINE, tests.MINE, simulators.MINE, apdu.MINE)\n"
        "print(tegata.apdu.__file__)\n"
        "print(Command.parse(bytes.fromhex('00A4040000')).ins)",
    )
    assert result.returncode == 0, result.stderr
    mine, where, ins = result.stdout.splitlines()
    assert mine == "cli.py tests/__init__.py simulators/__init__.py apdu/__init__.py"
    assert Path(where).is_relative_to(project / "env")
    assert ins == "164"


def test_the_demo_runs_from_the_wheel(project: Path, tmp_path: Path) -> None:
    result = run(project, "tegata", "demo", "--json", "--directory", tmp_path / "demo")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["issued"] == 20


def test_tests_are_not_installed(project: Path) -> None:
    result = run(project, "python", "-c", "import tegata.tests")
    assert "No module named 'tegata.tests'" in result.stderr


def test_every_help_is_shown(project: Path) -> None:
    """In a process for each of the first words: no command lives on what another has imported."""
    whole = run(project, "tegata", "--help")
    assert (whole.returncode, whole.stderr) == (0, "")
    helps: dict[str, list[object]] = {}
    for word in SUBCOMMANDS:
        assert f"  {word} " in whole.stdout
        walked = run(project, "python", "-c", WALK, word)
        assert walked.returncode == 0, walked.stderr
        helps |= json.loads(walked.stdout)
    assert helps.keys() >= SUBCOMMANDS.keys()
    assert {"gp list", "sim serve"} <= helps.keys()
    assert {
        path: shown
        for path, shown in helps.items()
        if shown[0] != 0 or not str(shown[1]).startswith(f"Usage: tegata {path}") or shown[2]
    } == {}
