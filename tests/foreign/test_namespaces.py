"""Portal and holder in two network namespaces without a route between them: carried requests still work.

Three namespaces: the portal's, the holder's (with the bridge), and the browser's, which alone has a link to
each. All are children of one user namespace, so that no privilege is needed and nothing outside is touched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from tegata.reader_bridge.service import Portals
from tegata.reader_bridge.service.portals import public_keys
from tegata.reader_bridge.signing import Anchors, Trust, verify_pdf
from tegata.simulators import pki, presets

pytestmark = pytest.mark.foreign

ROOT = Path(__file__).parents[2]
PORTAL, HOLDER = "10.77.1.2", "10.77.2.2"
ORIGIN, BRIDGE = f"http://{PORTAL}:8700", f"http://{HOLDER}:8600"
TEGATA = [sys.executable, "-c", "import sys; from tegata.cli import main; sys.exit(main())"]

DRIVE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from browser import Browser
origin, out = sys.argv[2], Path(sys.argv[3])
browser = Browser()
for _ in range(100):
    try:
        browser.open(origin)
        break
    except Exception:
        time.sleep(0.2)
results = {}
for button, pin in ((2, "1234"), (3, "ABC123")):
    browser.open(origin)
    browser.submit(button)
    browser.submit()
    results[f"at{button}"] = str(browser.page.url)
    browser.agree()
    browser.type_pin(pin)
    browser.go_back()
    results[f"end{button}"] = browser.page.json()
out.write_bytes(browser.open(origin + "/signed.pdf").content)
print(json.dumps(results))
"""
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


class Network:
    """The browser's namespace and the two that hang on it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.browser = self._start(["unshare", "-rn", "sleep", "infinity"])
        self.portal = self._start([*self.enter(self.browser), "unshare", "-n", "sleep", "infinity"])
        self.holder = self._start([*self.enter(self.browser), "unshare", "-n", "sleep", "infinity"])
        for number, (name, pid) in enumerate((("portal", self.portal), ("holder", self.holder)), 1):
            self.run(
                self.browser,
                "ip",
                "link",
                "add",
                name,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                str(pid),
            )
            self._address(self.browser, name, f"10.77.{number}.1/24")
            self._address(pid, "eth0", f"10.77.{number}.2/24")

    @staticmethod
    def enter(pid: int) -> list[str]:
        return ["nsenter", "-t", str(pid), "-U", "--preserve-credentials", "-n"]

    def run(self, pid: int, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        line = [*self.enter(pid), *command]
        return subprocess.run(line, check=check, capture_output=True, text=True, timeout=120)

    def start(self, pid: int, *command: str, **more: object) -> subprocess.Popen[str]:
        """A program inside, ended with the test."""
        process = subprocess.Popen(
            [*self.enter(pid), *command], stdout=subprocess.PIPE, text=True, cwd=ROOT, **more
        )
        self._stack.callback(_end, process)
        return process

    def _start(self, command: list[str]) -> int:
        process = subprocess.Popen(command)
        self._stack.callback(_end, process)
        own = os.readlink("/proc/self/ns/net")
        seen = {own, os.readlink(f"/proc/{self.browser}/ns/net") if hasattr(self, "browser") else own}
        until = time.monotonic() + 10
        while os.readlink(f"/proc/{process.pid}/ns/net") in seen or _name(process.pid) != "sleep":
            assert time.monotonic() < until, "no network namespace was made"
            time.sleep(0.02)
        return process.pid

    def _address(self, pid: int, device: str, address: str) -> None:
        for name in ("lo", device):
            self.run(pid, "ip", "link", "set", name, "up")
        self.run(pid, "ip", "address", "add", address, "dev", device)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def network() -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(stack)


def test_login_and_signature_by_carried_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "home"))
    presets.create("my-number-card", tmp_path / "card.sim")
    key = ECKey.generate_key("P-256")
    (tmp_path / "portal.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "sim.pem").write_bytes(pki.anchors_pem())
    Portals(tmp_path / "portals").add(
        Portals.make(
            id="example",
            name="Example",
            standing="test",
            origins=[ORIGIN],
            return_urls=[f"{ORIGIN}/return"],
            keys=public_keys((tmp_path / "portal.jwk").read_text()),
        )
    )
    with network() as net:
        bridge = net.start(
            net.holder,
            *TEGATA,
            *("bridge", "serve", "--json", "--reader", f"sim:{tmp_path / 'card.sim'}"),
            *("--host", HOLDER, "--port", "8600"),
            *("--portal-dir", str(tmp_path / "portals"), "--anchors", "sim"),
        )
        assert bridge.stdout is not None
        running = json.loads(bridge.stdout.readline())
        assert running["url"] == BRIDGE
        net.start(
            net.portal,
            *(sys.executable, "examples/portal/portal.py", "--host", PORTAL, "--port", "8700"),
            *("--bridge", BRIDGE, "--bridge-id", running["id"]),
            *("--key", str(tmp_path / "portal.jwk"), "--anchors", str(tmp_path / "roots")),
        )
        place = str(ROOT / "tests" / "reader_bridge" / "service")
        signed = tmp_path / "signed.pdf"
        driven = net.run(net.browser, sys.executable, "-c", DRIVE, place, ORIGIN, str(signed), check=False)
        assert driven.returncode == 0, driven.stderr
        results = json.loads(driven.stdout)
        assert results["at2"].startswith(BRIDGE)
        assert results["end2"]["user"]
        assert results["end3"] == {"user": results["end2"]["user"], "signed": True}
        for pid, host, port in ((net.portal, HOLDER, "8600"), (net.holder, PORTAL, "8700")):
            reached = net.run(pid, sys.executable, "-c", REACH, host, port, check=False)
            assert "Network is unreachable" in reached.stderr
    assert verify_pdf(signed.read_bytes(), Trust(Anchors.read(tmp_path / "roots"), revocation_needed=False))
