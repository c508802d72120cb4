"""The walls of the house stand: the import contracts hold, and a forbidden import is caught."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ["apdu", "applets", "provisioning", "reader_bridge", "simulators"]
FLOOR_1_MAY_IMPORT = {"cryptography", "asn1crypto"}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the packages that a test may spoil."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / "tegata" / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "lint-imports", "--no-cache"],
        cwd=house,
        env={**os.environ, "PYTHONPATH": str(house), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_contracts_hold(house: Path) -> None:
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout + result.stderr
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("where", "statement", "contract"),
    [
        ("apdu/planted.py", "from ..provisioning import planted", "Floors"),
        ("apdu/planted.py", "from ..reader_bridge.frames import planted", "Floors"),
        ("applets/planted.py", "from ..simulators import planted", "Floors"),
        ("applets/planted.py", "def late():\n    from ..reader_bridge.readers import planted", "Floors"),
        ("applets/one/planted.py", "from ..two import planted", "Applets"),
        ("provisioning/planted.py", "from ..reader_bridge.service import planted", "Floors"),
        ("reader_bridge/store/planted.py", "from ..readers import planted", "Floors"),
        ("reader_bridge/service/planted.py", "from ...provisioning import planted", "Floors"),
        ("simulators/planted.py", "from ..applets.one import host", "Simulators"),
        ("simulators/planted.py", "from ..reader_bridge.service import planted", "Simulators"),
        ("simulators/planted.py", "from ..provisioning import planted", "Simulators"),
        ("reader_bridge/planted.py", "from ..simulators import commands", "Nothing imports the commands"),
        ("provisioning/planted.py", "from .one import commands", "Nothing imports the commands"),
    ],
)
def test_a_forbidden_import_is_caught(house: Path, where: str, statement: str, contract: str) -> None:
    tegata = house / "tegata"
    for room in [
        "reader_bridge/frames",
        "reader_bridge/service",
        "reader_bridge/readers",
        "reader_bridge/store",
    ]:
        plant(tegata / room / "planted.py")
    for module in [
        "applets/one/host.py",
        "applets/two/planted.py",
        "simulators/commands.py",
        "provisioning/one/commands.py",
    ]:
        plant(tegata / module)
    for package in PACKAGES:
        plant(tegata / package / "planted.py")
    plant(tegata / where, statement)

    result = lint_imports(house)

    assert result.returncode == 1, result.stdout + result.stderr
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), result.stdout
    assert where.removesuffix(".py").replace("/", ".") in result.stdout


def plant(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "__init__.py").touch()
    if text or not path.exists():
        path.write_text(text + "\n", encoding="utf-8")


def test_floor_1_imports_only_the_standard_library_and_cryptography() -> None:
    graph = grimp.build_graph(
        *PYPROJECT["tool"]["importlinter"]["root_packages"], include_external_packages=True
    )
    allowed = FLOOR_1_MAY_IMPORT | sys.stdlib_module_names
    floor_1 = [
        module
        for module in graph.modules
        if module.startswith(("tegata.apdu", "tegata.reader_bridge.frames"))
        and not module.endswith(".commands")
    ]
    strangers = {
        f"{module} imports {imported}"
        for module in floor_1
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.partition(".")[0] not in allowed and not imported.startswith("tegata.")
    }
    assert floor_1
    assert strangers == set()


def test_every_room_stands_on_a_floor() -> None:
    layers = next(
        contract["layers"]
        for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
        if contract["id"] == "floors"
    )
    placed = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    rooms = {f"tegata.{package}" for package in PACKAGES if package != "reader_bridge"}
    rooms |= {f"tegata.reader_bridge.{init.parent.name}" for init in ROOT.glob("reader_bridge/*/__init__.py")}
    assert rooms <= placed


def test_every_package_of_the_house_is_watched() -> None:
    tops = {init.parent.name for init in ROOT.glob("*/__init__.py")} - {"tests"}
    assert sorted(tops) == PACKAGES
    assert PYPROJECT["tool"]["importlinter"]["root_packages"] == [f"tegata.{name}" for name in PACKAGES]
