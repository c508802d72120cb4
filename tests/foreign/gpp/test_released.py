"""A released GlobalPlatformPro with our cards (`make test-gpp`): it lists, installs, deletes, locks, unlocks.

The program is started as its user starts it, in front of libpcsclite's socket that ``tegata sim run`` lays
out; its exit code and its output judge. The card counts what it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tegata.simulators.presets import create

from ...benchmarks.measure import Cost, Meter
from .cap import build_cap

pytestmark = pytest.mark.gpp

JARS = Path(__file__).parents[3] / "build" / "gpp"
MAIN = "pro.javacard.gp.GPTool"
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
PACKAGE, MODULE = bytes.fromhex("D2760000854701"), bytes.fromhex("D276000085470101")
ISD = "A000000151000000"
KEY = "00112233445566778899AABBCCDDEEFF"
CARDS = ["gp-card", "gp-scp02"]


def java() -> list[str]:
    """The JDK's own PC/SC needs to be told where the library is."""
    library = next(path for folder in LIBRARIES if (path := Path(folder, "libpcsclite.so.1")).exists())
    return ["java", f"-Dsun.security.smartcardio.library={library}", "-cp", str(JARS / "*"), MAIN]


class Program:
    """GlobalPlatformPro with one card in the only reader."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.costs: dict[str, Cost] = {}

    def __call__(self, what: str, *arguments: str) -> str:
        """Its output; it must end well. What the card was sent is kept under ``what``."""
        self.costs[what], done = self.meter.program([*java(), *arguments])
        return done.stdout.decode() + done.stderr.decode()


@pytest.fixture(params=CARDS)
def gp(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    path = tmp_path / "card.sim"
    create(request.param, path, seed=7)
    meter = Meter(path, "contactless-424", contactless=False)
    yield Program(meter)
    meter.close()


def test_info_and_list(gp: Program) -> None:
    assert "CPLC" in gp("info", "--info")
    assert re.search(rf"ISD: {ISD} \(OP_READY\)", gp("list", "--list"))


def test_install_and_delete(gp: Program, tmp_path: Path) -> None:
    cap = tmp_path / "test.cap"
    cap.write_bytes(build_cap(PACKAGE, MODULE, 20480))
    gp("install", "--install", str(cap))
    listed = gp("list", "--list")
    assert f"PKG: {PACKAGE.hex().upper()}" in listed
    assert f"{MODULE.hex().upper()} (SELECTABLE)" in listed
    gp("uninstall", "--uninstall", str(cap))
    assert PACKAGE.hex().upper() not in gp("list again", "--list")


def test_lock_and_unlock(gp: Program) -> None:
    gp("lock", "--lock", KEY)
    assert ISD in gp("list", "--key", KEY, "--list")
    gp("unlock", "--key", KEY, "--unlock")
    assert ISD in gp("list again", "--list")


def test_what_it_sends(gp: Program, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    cap = tmp_path / "test.cap"
    cap.write_bytes(build_cap(PACKAGE, MODULE, 20480))
    gp("list", "--list")
    gp("install 20 KB", "--install", str(cap))
    gp("delete", "--uninstall", str(cap))
    gp("lock", "--lock", KEY)
    lines = [
        f"  {what}: {cost.apdus} APDUs, {cost.to_card} bytes to the card, {cost.from_card} from it"
        for what, cost in gp.costs.items()
    ]
    record_property("figure", "\n".join(["GlobalPlatformPro as released:", *lines]))
    assert gp.costs["install 20 KB"].to_card > 20480
