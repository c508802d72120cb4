"""Secure Channel Protocol 02, both sides (GPC 2.3.1 annex E).

``crypto`` holds session keys and the encryption of sensitive data, ``options`` the parameter "i", ``session``
the immutable channel state with its pure functions for host and card, ``handshake`` the ways a channel opens,
``host`` the side that talks to a card.

Triple DES is old, and the protocol deprecated: a card that offers SCP03 is better served by it.
"""

from ..secure_messaging import SecureMessagingError
from .crypto import (
    KEY_LENGTH,
    StaticKeys,
    decrypt_data,
    derive,
    derive_session_keys,
    encrypt_data,
    key_check_value,
    pseudo_random_challenge,
    session_dek,
)
from .handshake import (
    InitializeUpdate,
    Opening,
    accept_external_authenticate,
    external_authenticate,
    implicit_state,
    initialize_update_command,
)
from .host import Scp02Handshake, Scp02Host, open_implicitly
from .options import DEFAULT_I, DOCUMENTED, Options, level_allowed
from .session import (
    LEVELS,
    Scp02State,
    begin_r_mac_session,
    end_r_mac_session,
    unwrap_command,
    unwrap_response,
    wrap_command,
    wrap_response,
)

__all__ = [
    "DEFAULT_I",
    "DOCUMENTED",
    "KEY_LENGTH",
    "LEVELS",
    "InitializeUpdate",
    "Opening",
    "Options",
    "Scp02Handshake",
    "Scp02Host",
    "Scp02State",
    "SecureMessagingError",
    "StaticKeys",
    "accept_external_authenticate",
    "begin_r_mac_session",
    "decrypt_data",
    "derive",
    "derive_session_keys",
    "encrypt_data",
    "end_r_mac_session",
    "external_authenticate",
    "implicit_state",
    "initialize_update_command",
    "key_check_value",
    "level_allowed",
    "open_implicitly",
    "pseudo_random_challenge",
    "session_dek",
    "unwrap_command",
    "unwrap_response",
    "wrap_command",
    "wrap_response",
]
