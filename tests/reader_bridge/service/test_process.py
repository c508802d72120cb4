"""The bridge as a process: told to stop, killed, started twice, started anew."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey

from tegata.reader_bridge.store import audit, open_engine

from .browser import Browser
from .test_commands import TEGATA, add, tegata

ORIGIN = "http://127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEGATA_HOME", str(tmp_path / "own"))
    return tmp_path / "own"


@contextmanager
def bridge(card: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    options = ["--port", "0", "--reader", f"sim:{card}", "--portal-dir", str(folder / "portals")]
    with subprocess.Popen(
        [*TEGATA, "--lang", "en", "bridge", "serve", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def open_login(key: ECKey, shown: dict[str, str]) -> tuple[str, str]:
    """A pushed login; returns the request and where its browser goes."""
    from joserfc import jws

    now = int(time.time())
    claims = {
        "iss": "example",
        "aud": shown["id"],
        "jti": secrets.token_urlsafe(24),
        "iat": now,
        "exp": now + 60,
        "verb": "authenticate",
        "origin": ORIGIN,
        "nonce": "A" * 44,
        "return_url": f"{ORIGIN}/return",
    }
    header = {"alg": "ES256", "typ": "tegata-request+jwt"}
    request = jws.serialize_compact(header, json.dumps(claims), key, ["ES256"])
    answer = httpx.post(f"{shown['url']}/api/requests", json={"request": request}, trust_env=False)
    assert answer.status_code == 201, answer.text
    return request, answer.json()["consent_url"]


def states(home: Path) -> list[tuple[str, str | None]]:
    with sqlite3.connect(home / "bridge" / "bridge.sqlite") as connection:
        rows = connection.execute("select state, problem from bridge_transaction").fetchall()
    connection.close()
    return rows


def test_sigterm_closes_what_is_open(home: Path, card: Path, tmp_path: Path) -> None:
    """At the PIN page, while another client is in the middle of a body: the record is true."""
    key = ECKey.generate_key("P-256")
    assert add("example", tmp_path, key, ORIGIN).returncode == 0
    browser = Browser()
    with bridge(card, tmp_path) as (process, shown):
        browser.open(open_login(key, shown)[1])
        browser.agree()
        assert "Tries left: 3" in browser.html
        place = urlsplit(shown["url"]).netloc
        slow = socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])))
        slow.sendall(
            f"POST /api/requests HTTP/1.1\r\nHost: {place}\r\nContent-Type: application/json\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        slow.close()
        assert process.returncode == 0
    browser.close()
    assert states(home) == [("failed", "request.error")]
    assert not (home / "bridge" / "bridge.sqlite-wal").exists()


def test_a_killed_bridge_leaves_a_true_record(home: Path, card: Path, tmp_path: Path) -> None:
    """After SIGKILL the chain is whole, nothing is readable by others, and a used request stays used."""
    key = ECKey.generate_key("P-256")
    assert add("example", tmp_path, key, ORIGIN).returncode == 0
    with bridge(card, tmp_path) as (process, shown):
        request, _ = open_login(key, shown)
        process.kill()
        process.wait(30)
    own = home / "bridge"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in own.iterdir()} == {
        path.name: 0 for path in own.iterdir()
    }
    assert {"bridge.sqlite", "bridge.sqlite-wal", "bridge-identity.json"} <= {
        path.name for path in own.iterdir()
    }
    assert states(home) == [("created", None)]
    with bridge(card, tmp_path) as (process, again):
        assert again["id"] == shown["id"]
        body = {"request": request}
        answer = httpx.post(f"{again['url']}/api/requests", json=body, trust_env=False)
        assert answer.json()["type"] == "urn:tegata:problem:request.replayed"
    assert states(home) == [("failed", "request.released")]
    with open_engine(own / "bridge.sqlite").connect() as connection:
        assert audit.verify(connection) is None


def test_two_bridges_do_not_share_a_home(home: Path, card: Path, tmp_path: Path) -> None:
    """The second would declare the first one's transactions dead, and both would believe they own them."""
    key = ECKey.generate_key("P-256")
    assert add("example", tmp_path, key, ORIGIN).returncode == 0
    with bridge(card, tmp_path) as (_, shown):
        open_login(key, shown)
        second = tegata("bridge", "serve", "--port", "0", "--reader", f"sim:{card}")
        assert second.returncode == 45
        assert "another bridge is using it" in second.stderr
        assert "Traceback" not in second.stderr
        assert states(home) == [("created", None)]


def test_an_identity_whose_writer_died_is_none_yet(home: Path) -> None:
    """A process that dies while it makes the identity leaves nothing that the next one stumbles over."""
    made = [subprocess.Popen([*TEGATA, "bridge", "id"], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ids = [process.communicate(timeout=60)[0] for process in made]
    assert len(set(ids)) == 1
    assert ids[0].startswith("urn:ietf:params:oauth:jwk-thumbprint:sha-256:")
    assert [path.name for path in (home / "bridge").iterdir()] == ["bridge-identity.json"]


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_said(card: Path, port: str) -> None:
    ran = tegata("bridge", "serve", "--reader", f"sim:{card}", "--port", port)
    assert ran.returncode == 2
    assert "--port" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_key_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    for junk in (b"\xff\xfe\x00", b"[" * 100_000, b'{"keys": 5}', b'{"kty": "EC", "crv": "P-256"}', b"[]"):
        (tmp_path / "junk.jwk").write_bytes(junk)
        options = ["--key", str(tmp_path / "junk.jwk"), "--portal-dir", str(tmp_path / "portals")]
        ran = tegata(
            *("portal", "add", "x", "--name", "X", "--standing", "test", "--origin", ORIGIN),
            *("--return-url", f"{ORIGIN}/return", *options),
        )
        assert ran.returncode == 80, ran.stderr
        assert "Traceback" not in ran.stderr
