"""Migrations of the tables that every tegata database has: the audit chain."""
