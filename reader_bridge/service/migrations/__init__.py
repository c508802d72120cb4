"""Alembic migrations of the bridge's tables."""
