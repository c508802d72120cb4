"""Open channels on the card (GPC 2.3.1 §10, annex E; Amd D): immutable, whatever the protocol.

``opening`` makes them, ``messaging`` takes commands through them. All are an ``access.Channel``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ....apdu import des, scp02, scp03
from ....apdu.command import Command, Response
from ....apdu.scp03.crypto import aes_cbc_decrypt
from ....apdu.secret import Secret
from ....apdu.secure_messaging import C_MAC, SecureMessagingError, is_secured
from .access import AUTHENTICATED

__all__ = ["Scp02Channel", "Scp03Channel"]

AES_BLOCK = 16
SCP02, SCP03 = 0x02, 0x03


@dataclass(frozen=True, slots=True)
class Scp03Channel:
    """A channel with the secure messaging of SCP03: SCP03 itself, where ``dek`` is the static K-DEK, and
    SCP11 under its own ``protocol``, where it is the session's. ``i`` says which levels the card offers,
    ``replayable`` that the card had no part in the keys (SCP11c)."""

    state: scp03.Scp03State
    dek: Secret = field(repr=False)
    version: int
    i: int
    protocol: int = SCP03
    authentication: int = AUTHENTICATED
    replayable: bool = False

    takes_plain = False
    lapsed = False

    @property
    def level(self) -> int:
        return self.authentication | self.state.response_level

    def unwrap(self, command: Command) -> tuple[Scp03Channel, Command]:
        if not self.state.level & C_MAC:
            raise SecureMessagingError("this channel has no secure messaging")
        state, plain = scp03.unwrap_command(self.state, command)
        return replace(self, state=state), plain

    def wrap(self, response: Response) -> tuple[Scp03Channel, Response]:
        after = replace(self, state=scp03.answered(self.state, response.sw))
        return after, scp03.wrap_response(self.state, response)

    def decrypt(self, data: bytes) -> bytes:
        """AES-CBC with zero IV (Amd D §6.2.8)."""
        if not data:
            raise ValueError("there is nothing to decrypt")
        return aes_cbc_decrypt(self.dek, bytes(AES_BLOCK), data)

    def unwrap_key(self, cryptogram: bytes, length: int) -> Secret:
        return scp03.unwrap_key(self.dek, cryptogram, length)


@dataclass(frozen=True, slots=True)
class Scp02Channel:
    """A channel of SCP02; ``dek`` is the session DEK, in CBC after implicit initiation (§E.4.7).

    Without C-MAC the R-MACs cover plain commands. After implicit initiation a plain command lowers the level
    to that of authentication, and the next secured one opens anew (§E.1.6).
    """

    state: scp02.Scp02State
    dek: Secret = field(repr=False)
    version: int

    protocol = SCP02
    replayable = False

    @property
    def _implicit(self) -> bool:
        return not scp02.Options(self.state.i).explicit

    @property
    def takes_plain(self) -> bool:
        return self._implicit or not self.state.level & C_MAC

    @property
    def lapsed(self) -> bool:
        return self._implicit and not self.state.level & C_MAC

    @property
    def level(self) -> int:
        return AUTHENTICATED | self.state.response_level

    def unwrap(self, command: Command) -> tuple[Scp02Channel, Command]:
        state = self.state
        if is_secured(command.cla):
            if not state.level & C_MAC:
                raise SecureMessagingError("this channel has no secure messaging")
        elif self._implicit:
            state = replace(state, level=state.level & ~C_MAC)
        state, plain = scp02.unwrap_command(state, command)
        return replace(self, state=state), plain

    def wrap(self, response: Response) -> tuple[Scp02Channel, Response]:
        state, wrapped = scp02.wrap_response(self.state, response)
        return replace(self, state=state), wrapped

    def decrypt(self, data: bytes) -> bytes:
        if not data:
            raise ValueError("there is nothing to decrypt")
        return scp02.decrypt_data(self.dek, data, cbc=self._implicit)

    def unwrap_key(self, cryptogram: bytes, length: int) -> Secret:
        plain = self.decrypt(cryptogram)
        if not len(plain) - des.BLOCK < length <= len(plain):
            raise ValueError(f"{length} key bytes do not make {len(plain)} wrapped bytes")
        return Secret(plain[:length])
