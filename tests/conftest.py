"""For every test: an environment that is nobody's, and the figures of the run at its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

FIGURE = "figure"

# A busy machine may take its time: how long an example takes to make or to run is no verdict on the code.
settings.register_profile("tegata", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tegata")


@pytest.fixture(scope="session", autouse=True)
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder of this test process's own, in which the simulators' hierarchy is made once.

    No setting of the person who runs the tests is left, and nothing is written into their home.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TEGATA_")]:
            patch.delenv(name)
        patch.setenv("TEGATA_HOME", str(home))
        yield home


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C interrupts, here and in the programs that tests start; a shell has it ignored by what it runs in
    the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured or counted: ``record_property("figure", text)``."""
    figures = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, text in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(str(figure))
