"""The virtual clock: what each byte on the link and each operation of the card would have taken.

Prices come from ``costs.toml``: named models, each figure with its source or marked as a guess. The clock
splits link, crypto and write time, so that a table can say which part is measured and which is assumed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

__all__ = ["CostModel", "VirtualClock", "cost_model"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Prices in seconds. ``link_byte`` is paid per byte, ``link_frame`` per frame: at least one each way, and
    one more for every ``frame_bytes`` bytes of a longer APDU."""

    name: str
    link_frame: float
    frame_bytes: int
    link_byte: float
    operations: Mapping[str, float]
    sources: Mapping[str, str]

    def link(self, length: int) -> float:
        """An APDU of ``length`` bytes in one direction."""
        return max(1, -(-length // self.frame_bytes)) * self.link_frame + length * self.link_byte


@cache
def cost_model(name: str = "contactless-424") -> CostModel:
    """The model of that name. Raises KeyError for an unknown one."""
    table = tomllib.loads(files(__package__).joinpath("costs.toml").read_text(encoding="utf-8"))
    model = table["model"][name]
    operations = {**table["operations"], **model.get("operations", {})}
    return CostModel(
        name=name,
        link_frame=model["link_frame"]["seconds"],
        frame_bytes=model["frame_bytes"]["bytes"],
        link_byte=model["link_byte"]["seconds"],
        operations={key: figure["seconds"] for key, figure in operations.items()},
        sources={key: figure["source"] for key, figure in {**operations, **_figures(model)}.items()},
    )


def _figures(model: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    return {key: model[key] for key in ("link_frame", "frame_bytes", "link_byte")}


@dataclass(slots=True)
class VirtualClock:
    """Counts exchanges and adds up virtual seconds."""

    model: CostModel = field(default_factory=cost_model)
    apdus: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    link: float = 0.0
    crypto: float = 0.0
    write: float = 0.0

    def exchange(self, command: int, response: int, cost: Mapping[str, int]) -> None:
        """One command of ``command`` bytes, answered with ``response`` bytes, and its operations."""
        self.apdus += 1
        self.bytes_in += command
        self.bytes_out += response
        self.link += self.model.link(command) + self.model.link(response)
        for operation, count in cost.items():
            seconds = count * self.model.operations[operation]
            if operation.startswith("nv_"):
                self.write += seconds
            else:
                self.crypto += seconds

    @property
    def total(self) -> float:
        return self.link + self.crypto + self.write
