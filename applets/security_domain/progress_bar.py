"""How far a load or a long STORE DATA has come: a bar on standard error, gone when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

__all__ = ["ProgressBar"]


class ProgressBar:
    """Call it with the blocks that are done, and of how many. A single block is not worth a bar."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self._shown: tuple[Progress, TaskID] | None = None

    def __call__(self, done: int, of: int) -> None:
        if of > 1:
            bar, task = self._shown or self._begin(of)
            bar.update(task, completed=done)
        if done == of:
            self.close()

    def _begin(self, of: int) -> tuple[Progress, TaskID]:
        from rich.console import Console  # slow to load, and most verbs show no bar
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = self._console or Console(stderr=True)
        bar = Progress(
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
        )
        bar.start()
        self._shown = bar, bar.add_task("", total=of)
        return self._shown

    def close(self) -> None:
        """Take it off the screen, wherever it stands."""
        if self._shown is not None:
            self._shown[0].stop()
            self._shown = None
