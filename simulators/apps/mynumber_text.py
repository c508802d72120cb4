"""The text application (券面事項入力補助 AP) of the simulated card: see ``applets.mynumber_text.model``.

Its secure messaging is not played: how the session keys follow from the seed is not public. EF 0006 holds a
public key, 80 AE answers 6D00, and a CLA with secure messaging answers 69FC, as a real card does without a
session.
"""

from __future__ import annotations

from ...applets.mynumber_text.model import CHECK_NUMBER_TRIES, INTERNAL_FILES, PIN_TRIES, Ef
from .jicsap import ElementaryFile, FileApplication, Internal, Key, Pin, Transparent

__all__ = ["TextApplication"]

A, B = Ef.CHECK_NUMBER_A, Ef.CHECK_NUMBER_B

FILES: dict[int, ElementaryFile] = {
    Ef.MY_NUMBER: Transparent(frozenset({Ef.PIN, A})),
    Ef.ATTRIBUTES: Transparent(frozenset({Ef.PIN, B})),
    Ef.ISSUER_SIGNATURE: Transparent(frozenset({Ef.PIN, A, B})),
    Ef.CERTIFICATE: Transparent(),
    Ef.BASIC_INFO: Transparent(),
    Ef.SESSION_KEY: Transparent(frozenset({Ef.PIN, A, B})),
    Ef.KEY_RECORD: Transparent(),
    Ef.FILLER: Transparent(),
    Ef.PIN: Pin(PIN_TRIES, 4, 4),
    Ef.BLOCKED_REFERENCE: Pin(0, 1, 16, changeable=False),
    Ef.INTERNAL_KEY: Key(),
    A: Pin(CHECK_NUMBER_TRIES, 12, 12, changeable=False),
    B: Pin(CHECK_NUMBER_TRIES, 14, 14, changeable=False),
    **{number: Internal() for number in INTERNAL_FILES},
}


class TextApplication(FileApplication):
    """Number and attributes behind a PIN or the check numbers A and B."""

    model = "mynumber-text"
    files = FILES
    default_key = Ef.INTERNAL_KEY
    secure_messaging_sw = 0x69FC
