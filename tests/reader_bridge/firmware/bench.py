"""Simulated readers on lines, and tegata's command line in front of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tegata.cli import main
from tegata.reader_bridge.frames.mcuboot import parse_image
from tegata.reader_bridge.share.line import PtyLine
from tegata.simulators.devices.faults import Faults
from tegata.simulators.devices.mcuboot.demo import blank_reader
from tegata.simulators.devices.mcuboot.device import McubootReader
from tegata.simulators.devices.mcuboot.fuses import Fuses

from .maker import HARDWARE, SMALL, Maker

OLD = "1.2.0"


class Gate:
    """One simulated reader of the model ``gate-reader`` on a pseudo-terminal, with ``OLD`` in it."""

    def __init__(
        self,
        maker: Maker,
        folder: Path,
        name: str = "gate",
        *,
        old: str = OLD,
        faults: Faults | None = None,
        timeout: str = "0.3",
        **fuses: Any,
    ) -> None:
        made = Fuses(HARDWARE, (maker.key.read_text(encoding="ascii"),), model="gate-reader", serial=name)
        self.fuses = replace(made, **fuses)
        image = maker.image(old, hardware=self.fuses.hardware_id).read_bytes()
        self.flash = blank_reader(self.fuses, image, SMALL)
        self.reader = McubootReader(self.flash, self.fuses)
        self.line = PtyLine(self.reader, folder / name, faults)
        self.url = f"smp:{self.line.path}?timeout={timeout}"

    @property
    def version(self) -> str:
        """What runs."""
        return self.reader.board.version

    @property
    def confirmed(self) -> bool:
        """Whether what runs stays."""
        return self.reader.board.slots.views()[0].confirmed

    def close(self) -> None:
        self.line.close()
        assert self.line.failure is None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Tegata:
    """The command line, with what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = main(["firmware", *map(str, arguments)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: object) -> Any:
        """What it printed with ``--json``, after it ended well."""
        code = self(*arguments, "--json")
        assert code == 0, self.err
        return json.loads(self.out)

    def error(self, *arguments: object) -> str:
        """The code of the error it ended with."""
        code = self(*arguments, "--json")
        assert code != 0, self.out
        described = json.loads(self.err)
        assert described["exit_code"] == code
        return str(described["code"])


def digest_of(path: Path) -> bytes:
    return parse_image(path.read_bytes()).digest
