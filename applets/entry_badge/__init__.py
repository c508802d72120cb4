"""The entry badge: our own small application for doors (docs/protocols/entry-badge.md)."""
