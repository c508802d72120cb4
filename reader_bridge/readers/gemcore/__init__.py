"""``gemcore:DEVICE``: GemCore readers on a serial line (GemPC Twin, GemPC PinPad, GemCore POS Pro).

From below: ``transport`` exchanges CCID messages in GemCore frames, ``line`` shares one line between the
slots of one process, ``session`` keeps one card powered and speaks T=0 or T=1 to it, ``reader`` gives the
ports Reader, Link, Presence and PinPad, ``device`` is the reader as its companion sees it.
"""
