"""Names, numbers and pure functions of the entry badge (docs/protocols/entry-badge.md)."""

from __future__ import annotations

PACKAGE_AID = bytes.fromhex("F054454741544101")
MODULE_AID = PACKAGE_AID + b"\x01"
INSTANCE_AID = PACKAGE_AID + b"\x01\x01"
