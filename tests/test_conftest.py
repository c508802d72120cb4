"""What every run of the tests has: figures at its end, and an environment that is nobody's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = """
import os

def test_counts(record_property):
    record_property("figure", "twelve apples")
    record_property("other", "not a figure")

def test_is_at_home():
    assert os.environ["TEGATA_HOME"] != "/home/somebody"
    assert "TEGATA_READER" not in os.environ
"""


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["alone", "distributed"])
def test_figures_and_home(tmp_path: Path, processes: tuple[str, ...]) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--import-mode=importlib", *processes]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TEGATA_HOME": "/home/somebody", "TEGATA_READER": "pcsc:"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, _, figures = done.stdout.partition("= figures =")
    assert "twelve apples\n" in figures
    assert "not a figure" not in done.stdout
