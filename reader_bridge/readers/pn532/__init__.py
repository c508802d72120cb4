"""``pn532:DEVICE``: a PN532 on a serial line (high speed UART), for cards of type A and B.

``options`` reads the URL, ``chip`` carries one command over the line, ``radio`` knows the commands,
``activation`` finds a card and makes a ``channel`` to it, ``link`` and ``reader`` are the ports Link and
Reader, ``device`` the port Device.
"""

from .device import Pn532Device, open_device
from .link import Pn532Link
from .reader import Pn532Reader, open_reader

__all__ = ["Pn532Device", "Pn532Link", "Pn532Reader", "open_device", "open_reader"]
