"""Who is there, and do we have its key: what is known before libosdp gets the line."""

from __future__ import annotations

from dataclasses import dataclass

from ....apdu.errors import ReaderError
from ....apdu.secret import Secret
from ..serial_port import LineSettings, SerialPort
from .address import OsdpAddress
from .greeting import Challenge, Greeter, Greeting, Refused
from .keys import KeyState, find_key, key_state

__all__ = ["Contact", "first_contact"]


@dataclass(frozen=True, slots=True)
class Contact:
    """A peripheral after the first words. ``cuid`` is empty and ``state`` None when no key was named or it
    has no secure channel; ``key`` is the one that the URL leads to."""

    greeting: Greeting
    cuid: bytes = b""
    state: KeyState | None = None
    key: Secret | None = None

    def wipe(self) -> None:
        """Forget the key."""
        if self.key is not None:
            self.key.wipe()

    def require_our_key(self, address: OsdpAddress) -> None:
        """Raises ReaderError ``osdp.insecure``, ``osdp.default_key`` or ``osdp.key`` unless what the URL
        names is the peripheral's key; without a named key everything is right."""
        if not address.has_key:
            return
        if self.state is None:
            raise ReaderError("osdp.insecure", what=address.name)
        if self.state is KeyState.DEFAULT:
            raise ReaderError("osdp.default_key", what=address.name, url=address.url)
        if self.state is KeyState.OTHER:
            raise ReaderError("osdp.key", what=address.name)


def first_contact(address: OsdpAddress) -> Contact:
    """Ask who is there and, when the URL names a key, whose key it has. Alters nothing in it.

    Raises ReaderError ``line.*`` and ``osdp.answer``, InputError ``keyring.*`` and ``osdp.scbk``.
    """
    with SerialPort(address.line, LineSettings(baud=address.baud)) as port:
        greeter = Greeter(port, address.number)
        try:
            greeting = greeter.greet()
            if not greeting.secure or not address.has_key:
                return Contact(greeting)
            own = _challenge(greeter)
            cuid = (own or greeter.challenge(default_key=True)).answer.cuid
        except Refused as refused:
            what = f"NAK {refused.reason}"
            raise ReaderError("osdp.answer", number=address.number, what=what) from refused
        key = find_key(address, cuid)
        return Contact(greeting, cuid, key_state(greeter, own, key), key)


def _challenge(greeter: Greeter) -> Challenge | None:
    """Under the peripheral's own key; None when it refuses because it has none yet."""
    try:
        return greeter.challenge()
    except Refused:
        return None
