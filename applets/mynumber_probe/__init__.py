"""Asking a My Number Card what it can do, without a PIN and without personal data."""
