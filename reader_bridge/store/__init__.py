"""Where tegata keeps what it must not lose: database engine, migrations, settings and the audit chain.

Floor 2 of the house: knows nothing of badges or transactions; the packages above own their tables.
"""

from .audit import AuditRow
from .engine import UtcDateTime, metadata, now, open_engine
from .files import write_new
from .migrations import upgrade
from .settings import Settings

__all__ = ["AuditRow", "Settings", "UtcDateTime", "metadata", "now", "open_engine", "upgrade", "write_new"]
