"""The command line: registering a portal, running the bridge, and what goes wrong in one sentence."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from joserfc.jwk import ECKey

from tegata.reader_bridge.service.portals import public_keys
from tegata.reader_bridge.signing import Anchors, Trust
from tegata.reader_bridge.web import BackgroundServer, bind
from tegata.simulators.pki import anchors

from .browser import Browser
from .conftest import Bench, load_example

TEGATA = [sys.executable, "-c", "import sys; from tegata.cli import main; sys.exit(main())"]


def tegata(*args: str) -> subprocess.CompletedProcess[str]:
    command = [*TEGATA, "--lang", "en", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def serving(*args: str) -> Iterator[dict[str, str]]:
    command = [*TEGATA, "bridge", "serve", "--json", "--port", "0", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(30)


def add(name: str, folder: Path, key: ECKey, origin: str, *more: str) -> subprocess.CompletedProcess[str]:
    path = folder / f"{name}.jwk"
    path.write_text(json.dumps(key.as_dict(private=True)))
    place = ["--portal-dir", str(folder / "portals"), "--key", str(path), "--json", *more]
    fixed = ["--name", "Example", "--standing", "test", "--origin", origin]
    return tegata("portal", "add", name, *fixed, "--return-url", f"{origin}/return", *place)


def test_from_the_shell_to_a_login(card: Path, tmp_path: Path) -> None:
    key, listener, browser = ECKey.generate_key("P-256"), bind("127.0.0.1", 0), Browser()
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    added = add("example", tmp_path, key, origin)
    assert added.returncode == 0, added.stderr
    kept = Path(json.loads(added.stdout)["file"]).read_text()
    assert str(key.as_dict(private=True)["d"]) not in kept
    listed = tegata("portal", "list", "--portal-dir", str(tmp_path / "portals"), "--json")
    assert [item["id"] for item in json.loads(listed.stdout)] == ["example"]
    options = ["--portal-dir", str(tmp_path / "portals"), "--anchors", "sim", "--auto", "my-number-card"]
    with serving("--reader", f"sim:{card}", *options) as bridge:
        trust = Trust(Anchors(anchors()), revocation_needed=False)
        portal = load_example().Portal(
            name="example",
            origin=origin,
            key=key,
            bridge=bridge["url"],
            bridge_id=bridge["id"],
            trust=trust,
        )
        assert json.loads(tegata("bridge", "id", "--json").stdout) == {"id": bridge["id"]}
        with BackgroundServer(load_example().create_app(portal), listener):
            browser.open(origin)
            browser.submit(0)
            browser.settle()
            browser.go_back()
            assert browser.page.json()["user"]
    browser.close()


def test_a_taken_port_has_its_exit_code(card: Path) -> None:
    listener = bind("127.0.0.1", 0)
    port = str(listener.getsockname()[1])
    ran = tegata("bridge", "serve", "--reader", f"sim:{card}", "--port", port)
    listener.close()
    assert ran.returncode == 82
    assert f"Port {port} on 127.0.0.1 is in use" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_auto_refuses_a_real_reader() -> None:
    ran = tegata("bridge", "serve", "--reader", "pcsc:", "--port", "0", "--auto", "my-number-card")
    assert ran.returncode == 83
    assert "simulated cards only" in ran.stderr


def test_bad_registrations_have_exit_codes(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256")
    assert add("example", tmp_path, key, "https://portal.example").returncode == 0
    assert add("example", tmp_path, key, "https://portal.example").returncode == 81
    assert add("other", tmp_path, key, "portal.example").returncode == 80
    (tmp_path / "junk.jwk").write_text("{}")
    junk = ["--key", str(tmp_path / "junk.jwk")]
    assert add("third", tmp_path, key, "https://portal.example", *junk).returncode == 80


def test_anchors_that_are_none_have_an_exit_code(card: Path, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("junk")
    for folder in (tmp_path, tmp_path / "missing"):
        ran = tegata("bridge", "serve", "--reader", f"sim:{card}", "--port", "0", "--anchors", str(folder))
        assert ran.returncode == 89


def test_it_listens_on_this_machine_only(card: Path, tmp_path: Path) -> None:
    with serving("--reader", f"sim:{card}", "--portal-dir", str(tmp_path)) as bridge:
        assert bridge["url"].startswith("http://127.0.0.1:")
        answer = httpx.get(f"{bridge['url']}/api/bridge", trust_env=False)
        assert answer.json() == {"id": bridge["id"]}


def test_a_new_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "portal.jwk"
    made = tegata("portal", "key", str(path), "--json")
    assert made.returncode == 0, made.stderr
    key = ECKey.import_key(json.loads(path.read_text()))
    assert json.loads(made.stdout) == {"file": str(path), "thumbprint": key.thumbprint()}
    assert key.as_dict()["crv"] == "P-256"
    assert str(key.as_dict(private=True)["d"]) not in made.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    again = tegata("portal", "key", str(path))
    assert (again.returncode, path.read_bytes()) == (43, before)
    assert tegata("portal", "key", str(tmp_path / "missing" / "portal.jwk")).returncode == 41
    assert [item.name for item in tmp_path.iterdir()] == ["portal.jwk"]
    plain = tegata("portal", "key", str(tmp_path / "second.jwk"))
    assert (
        plain.stdout.strip()
        == ECKey.import_key(json.loads((tmp_path / "second.jwk").read_text())).thumbprint()
    )


def test_a_new_key_signs_and_decrypts(bench: Bench, tmp_path: Path) -> None:
    """One key is enough: a carried login is signed with it and its answer encrypted to it."""
    assert tegata("portal", "key", str(tmp_path / "new.jwk")).returncode == 0
    raw = (tmp_path / "new.jwk").read_text()
    portal, browser = bench.register("fresh", keys=public_keys(raw)), bench.browser()
    portal.key = ECKey.import_key(json.loads(raw))
    browser.open(portal.origin)
    browser.submit(2)
    browser.submit()
    browser.agree()
    browser.type_pin("1234")
    browser.go_back()
    assert browser.page.json()["user"]
