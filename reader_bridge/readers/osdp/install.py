"""A new peripheral gets its key: once, under SCBK-D, while it is in install mode (annex D.5).

SCBK-D is known to everybody, so whoever listens to the line meanwhile learns the new key: this is done at a
bench. The key is the one that the URL leads to, derived for this peripheral or in a file; it is not shown.
"""

from __future__ import annotations

from ....apdu.errors import ReaderError
from .address import OsdpAddress
from .contact import Contact, first_contact
from .keys import KeyState
from .panel import Panel

__all__ = ["install"]

SECONDS = 15.0


def install(address: OsdpAddress) -> bool:
    """Set the peripheral's key and prove it in a session of its own. False when it had that key already.

    Raises ReaderError ``osdp.no_key`` when the URL names none, ``osdp.insecure`` for a peripheral without
    secure channel, ``osdp.key`` for one that has another key, ``osdp.install`` when it did not take it.
    """
    if not address.has_key:
        raise ReaderError("osdp.no_key", what=address.name)
    contact = first_contact(address)
    try:
        if contact.state is KeyState.OURS:
            return False
        if contact.state is not KeyState.DEFAULT:
            contact.require_our_key(address)
        _set_key(address, contact)
    finally:
        contact.wipe()
    proof = first_contact(address)
    proof.wipe()
    if proof.state is not KeyState.OURS:
        raise ReaderError("osdp.install", what=address.name)
    return True


def _set_key(address: OsdpAddress, contact: Contact) -> None:
    # With this key and leave to use SCBK-D, libosdp itself sends the KEYSET and opens the channel anew.
    panel = Panel(address, contact.key, enforce=False)
    try:
        panel.wait(SECONDS)
    except ReaderError as error:
        raise ReaderError("osdp.install", what=address.name) from error
    finally:
        panel.close()
