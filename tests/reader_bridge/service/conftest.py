"""A bridge on a simulated card, the example portal in front of it, and holders' browsers."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tegata.reader_bridge.service import Bridge, BridgeOptions, Portals
from tegata.reader_bridge.service.portals import public_keys
from tegata.reader_bridge.signing import Anchors, Trust
from tegata.reader_bridge.web import BackgroundServer, bind
from tegata.simulators.pki import anchors
from tegata.simulators.presets import create

from .browser import Browser

EXAMPLE = Path(__file__).parents[3] / "examples" / "portal" / "portal.py"


def load_example() -> ModuleType:
    if "example_portal" not in sys.modules:
        spec = importlib.util.spec_from_file_location("example_portal", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["example_portal"] = module
        spec.loader.exec_module(module)
    return sys.modules["example_portal"]


@dataclass
class Clock:
    """The time, moved by hand."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Bench:
    """What a test works with."""

    bridge: Bridge
    portal: Any
    options: BridgeOptions
    clock: Clock
    stack: ExitStack
    keys: dict[str, ECKey] = field(default_factory=dict)

    def browser(self, lang: str = "en") -> Browser:
        made = Browser(lang)
        self.stack.callback(made.close)
        return made

    def register(self, name: str, /, **fields: Any) -> Any:
        """One more portal, of the example's kind; returns its back end."""
        return register(self, name, **fields)


def register(bench: Bench, name: str, /, **fields: Any) -> Any:
    example = load_example()
    key = ECKey.generate_key("P-256")
    listener = bind("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    Portals(bench.options.portals).add(
        Portals.make(
            **{
                "id": name,
                "name": f"{name} portal",
                "standing": "test",
                "origins": [origin],
                "return_urls": [f"{origin}/return"],
                "keys": public_keys(json.dumps(key.as_dict(private=True))),
                **fields,
            }
        )
    )
    trust = Trust(Anchors(anchors()), revocation_needed=False)
    portal = example.Portal(
        name=name,
        origin=origin,
        key=key,
        bridge=bench.bridge.url,
        bridge_id=bench.bridge.id,
        trust=trust,
        pairwise=fields.get("pairwise", False) or fields.get("standing") == "none",
    )
    bench.stack.enter_context(BackgroundServer(example.create_app(portal), listener))
    return portal


@pytest.fixture(scope="session")
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEGATA_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def card_template(_home: Path) -> Path:
    """A My Number Card, made once."""
    path = _home / "template.sim"
    create("my-number-card", path, seed=7)
    return path


@pytest.fixture
def card(card_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(card_template, tmp_path / "card.sim"))


@pytest.fixture
def make_bench(card: Path, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(**changes: Any) -> Bench:
            clock = Clock()
            values: dict[str, Any] = {
                "reader": f"sim:{card}",
                "home": tmp_path / "bridge",
                "portals": tmp_path / "portals",
                "simulated": Anchors(anchors()),
                "clock": clock,
            }
            options = BridgeOptions(**{**values, **changes})
            bridge = stack.enter_context(Bridge(options))
            bench = Bench(bridge, None, options, clock, stack)
            bench.portal = register(bench, "example")
            return bench

        yield make


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
