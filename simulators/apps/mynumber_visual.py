"""The visual application (券面事項確認 AP) of the simulated card: see ``applets.mynumber_visual.model``."""

from __future__ import annotations

from ...applets.mynumber_visual.model import CHECK_NUMBER_TRIES, INTERNAL_FILES, Ef
from ..card.application import Context
from .jicsap import UNLIMITED, ElementaryFile, FileApplication, Internal, Key, Pin, Transparent

__all__ = ["VisualApplication"]

A, B = Ef.CHECK_NUMBER_A, Ef.CHECK_NUMBER_B

FILES: dict[int, ElementaryFile] = {
    Ef.AGE_RECORD: Transparent(frozenset({Ef.BIRTH_PIN})),
    Ef.CARD_FACE: Transparent(frozenset({A, B})),
    Ef.BASIC_INFO: Transparent(),
    Ef.CERTIFICATE: Transparent(),
    Ef.NUMBER_IMAGE: Transparent(frozenset({A})),
    Ef.FILLER: Transparent(),
    Ef.BIRTH_PIN: Pin(CHECK_NUMBER_TRIES, 6, 6, changeable=False),
    B: Pin(CHECK_NUMBER_TRIES, 14, 14, changeable=False),
    A: Pin(CHECK_NUMBER_TRIES, 12, 12, changeable=False),
    Ef.INTERNAL_KEY: Key(),
    **{number: Internal() for number in INTERNAL_FILES},
}


class VisualApplication(FileApplication):
    """What is printed on the card, behind the numbers that are printed on it."""

    model = "mynumber-visual"
    files = FILES
    default_key = Ef.INTERNAL_KEY
    secure_messaging_sw = 0x66F1

    def _rule(self, ctx: Context, number: int, pin: Pin) -> Pin:
        if number != Ef.BIRTH_PIN:
            return pin
        return Pin(ctx.policy.birth_pin_tries or UNLIMITED, pin.shortest, pin.longest, pin.changeable)
