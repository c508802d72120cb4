"""The repository itself: its top level, its locked requirements, its words for every job."""

import os
import re
import subprocess
import tomllib
from itertools import groupby
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

TOP_LEVEL = {
    *["apdu", "applets", "provisioning", "reader_bridge", "simulators", "tests", "cli.py", "pyproject.toml"],
    *["README.md", "README.ja.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
    *["docs", "examples", "requirements", "Makefile", ".ci", ".gitignore", ".pre-commit-config.yaml"],
}
WORDS = [
    "help",
    "demo",
    "dev",
    "test",
    "lint",
    "type",
    "floors",
    "docs",
    "unit",
    "foreign",
    "bench",
    "campaign",
]


def tracked() -> list[str]:
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listing.stdout.split("\0") if name]


def locked(path: Path) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a lock file, each with its hashes."""
    logical = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    parts = [re.split(r"\s+--hash=", line.strip()) for line in logical if line.strip()]
    return [(Requirement(first), [value.strip() for value in hashes]) for first, *hashes in parts]


def group(name: str) -> list[str]:
    """The requirements of a dependency group, the groups that it includes among them."""
    entries = PYPROJECT["dependency-groups"][name]
    return [
        line
        for entry in entries
        for line in ([entry] if isinstance(entry, str) else group(entry["include-group"]))
    ]


PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    "bootstrap": group("bootstrap"),
    "runtime": [*PROJECT["dependencies"], *group("build")],
    "pcsc": [*PROJECT["dependencies"], *EXTRAS["pcsc"], *group("build")],
    "dev": [
        *PROJECT["dependencies"],
        *(line for lines in EXTRAS.values() for line in lines),
        *(line for name in ["build", "bootstrap", "dev"] for line in group(name)),
    ],
    "foreign-osdp": group("foreign-osdp"),
}


def test_the_top_level_is_what_the_design_says() -> None:
    assert {name.partition("/")[0] for name in tracked()} <= TOP_LEVEL


def test_there_is_a_lock_for_every_set() -> None:
    assert {path.stem for path in LOCKS} == WANTED.keys()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_requirement_is_pinned_and_hashed(path: Path) -> None:
    for requirement, hashes in locked(path):
        assert [part.operator for part in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_names_no_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_satisfies_what_the_project_asks_for(path: Path) -> None:
    """Fails when a dependency was added or raised and ``make lock`` forgotten."""
    pins = sorted(locked(path), key=lambda pin: canonicalize_name(pin[0].name))
    versions = {
        name: [part.version for pin, _ in these for part in pin.specifier]
        for name, these in groupby(pins, key=lambda pin: canonicalize_name(pin[0].name))
    }
    unmet = [
        line
        for line in WANTED[path.stem]
        for wanted in [Requirement(line)]
        if not all(
            wanted.specifier.contains(version, prereleases=True)
            for version in versions.get(canonicalize_name(wanted.name), ["0"])
        )
    ]
    assert unmet == []


def test_all_locks_agree_on_versions() -> None:
    everything = {str(pin.specifier) + pin.name for pin, _ in locked(ROOT / "requirements" / "dev.txt")}
    for path in LOCKS:
        if not path.stem.startswith("foreign-"):  # those are installed in environments of their own
            assert {str(pin.specifier) + pin.name for pin, _ in locked(path)} - everything <= windows_only(
                path
            )


def windows_only(path: Path) -> set[str]:
    return {
        str(pin.specifier) + pin.name
        for pin, _ in locked(path)
        if pin.marker is not None and not pin.marker.evaluate({"sys_platform": "linux"})
    }


def test_make_help_names_every_word() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [word for word in WORDS if f"  make {word} " not in shown] == []


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "\nexec make test </dev/null\n" in script.read_text(encoding="utf-8")


def test_a_missing_python_is_one_sentence(tmp_path: Path) -> None:
    result = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "python"],
        env={"PATH": str(tmp_path), "PYTHON": "python-of-nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert re.fullmatch(r"tegata needs Python 3\.11 or newer; .*\n", result.stderr)
