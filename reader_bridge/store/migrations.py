"""Running the Alembic migrations of a package.

Each package that has tables owns a folder of migration scripts and a version table of its own, so that
packages share a database without knowing each other. Scripts use ``sqlalchemy`` and ``alembic.op`` only:
a migration must keep its meaning when the code moves on.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

__all__ = ["STORE_MIGRATIONS", "upgrade"]

STORE_MIGRATIONS = f"{__package__}.audit_migrations"


def upgrade(engine: Engine, package: str) -> None:
    """Bring the tables of ``package`` (e.g. ``tegata.provisioning.migrations``) to their newest version.

    The audit table of the store comes first. Everything happens in one transaction; two processes that
    start together wait for each other.
    """
    with engine.connect() as connection:
        _foreign_keys(connection, on=False)
        try:
            with connection.begin():
                for name in dict.fromkeys((STORE_MIGRATIONS, package)):
                    _upgrade(connection, name)
        finally:
            _foreign_keys(connection, on=True)


def _upgrade(connection: Connection, package: str) -> None:
    environment = files(__package__).joinpath("environment")
    with as_file(environment) as script_location, as_file(files(package)) as versions:
        config = Config()
        config.set_main_option("path_separator", "newline")
        config.set_main_option("script_location", _escaped(script_location))
        config.set_main_option("version_locations", _escaped(versions))
        config.attributes["connection"] = connection
        config.attributes["version_table"] = _version_table(package)
        command.upgrade(config, "head")


def _version_table(package: str) -> str:
    names = [name for name in package.split(".") if name not in ("tegata", "migrations")]
    return "_".join(["migrated", *names])


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    # Batch mode copies tables: SQLite must not follow references meanwhile, and listens to this
    # switch outside transactions only.
    if connection.dialect.name == "sqlite":
        cursor = connection.connection.cursor()
        cursor.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
        cursor.close()
