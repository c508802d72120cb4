"""The one owner of a reader: a thread that does the card work of this process, one job after the other.

Others queue. The reader is opened for a job and closed after it, so that between jobs another process
may have it; while it is open, another process gets one sentence that names it (``reader.busy``).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ...apdu.ports import Reader, open_reader

__all__ = ["ReaderWorker"]

Result = TypeVar("Result")


class ReaderWorker:
    """Runs card work for the reader at ``url`` in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"reader {url}")

    def submit(self, job: Callable[[Reader], Result]) -> Future[Result]:
        """Queue a job; it gets the open reader, which is closed when it returns or raises.

        The future carries what the job returns or raises, ReaderError when the reader cannot be opened.
        """
        return self._thread.submit(self._run, job)

    def close(self) -> None:
        """Take no more jobs, drop those that wait, and wait for the running one."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Callable[[Reader], Result]) -> Result:
        reader = open_reader(self.url)
        try:
            return job(reader)
        finally:
            reader.close()
