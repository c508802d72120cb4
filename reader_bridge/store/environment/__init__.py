"""The Alembic environment that the migrations of all packages run in."""
