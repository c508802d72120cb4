"""The control panel's side of OSDP (IEC 60839-11-5), on libosdp: one peripheral on one serial line.

``address`` reads the URL, ``greeting`` asks in the clear who is there, ``keys`` finds the key and tells whose
key the peripheral has, ``panel`` keeps libosdp alive over a line that may be pulled, ``install`` gives a new
peripheral its key, ``device`` is what the companion sees.
"""
