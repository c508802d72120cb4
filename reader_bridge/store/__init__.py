"""Where tegata keeps what it must not lose: database engine, migrations, settings and the audit chain.

Floor 2 of the house: knows nothing of badges or transactions; the packages above own their tables. What needs
the database libraries is loaded when somebody asks for it: whoever only wants a path does not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .files import write_new
from .settings import Settings

if TYPE_CHECKING:
    from .audit import AuditRow
    from .engine import UtcDateTime, metadata, now, open_engine
    from .migrations import upgrade

__all__ = ["AuditRow", "Settings", "UtcDateTime", "metadata", "now", "open_engine", "upgrade", "write_new"]

WHERE = {
    "AuditRow": "audit",
    "UtcDateTime": "engine",
    "metadata": "engine",
    "now": "engine",
    "open_engine": "engine",
    "upgrade": "migrations",
}


def __getattr__(name: str) -> Any:
    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{WHERE[name]}"), name)
