"""Who keeps the record of cards under management: the ledger, or nobody while there is none.

Asked by every ``tegata gp`` that opens a channel, so that the ledger is loaded only where there is one.
"""

from __future__ import annotations

from pathlib import Path

from ..applets.security_domain.manager import OFF_THE_RECORD, Custody
from ..reader_bridge.store import Settings

__all__ = ["open_custody"]


def open_custody(database: str | None, *, write: bool) -> Custody:
    """The ledger at a path or URL, by default the one in the home folder.

    One that does not exist yet is made only when something will be written (``write``).
    """
    place = Path(database) if database else Settings.load().file("ledger.db")
    if not write and "://" not in str(database) and not place.exists():
        return OFF_THE_RECORD
    from .custody import LedgerCustody  # a database is slow to load
    from .workplace import open_ledger

    return LedgerCustody(open_ledger(database))
