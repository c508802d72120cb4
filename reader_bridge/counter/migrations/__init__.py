"""Alembic migrations of the check-in desk."""
