"""Secure Channel Protocol 03, both sides (GPC 2.3.1 Amendment D 1.1.1; S16 mode of 1.2).

``crypto`` holds the key derivation and key wraps, ``session`` the immutable channel state with its pure
functions for host and card, ``handshake`` the opening commands, ``host`` the side that talks to a card.
"""

from ..secure_messaging import SecureMessagingError
from .crypto import (
    StaticKeys,
    derive,
    derive_session_keys,
    key_check_value,
    pseudo_random_challenge,
    unwrap_key,
    wrap_key,
)
from .handshake import (
    InitializeUpdate,
    Opening,
    accept_external_authenticate,
    external_authenticate,
    initialize_update_command,
)
from .host import Handshake, Scp03Host, SessionProvider, ring_session, static_session
from .session import (
    I_PSEUDO_RANDOM,
    I_S16,
    LEVELS,
    VARIANTS,
    Scp03State,
    answered,
    level_allowed,
    unwrap_command,
    unwrap_response,
    wrap_command,
    wrap_response,
)

__all__ = [
    "I_PSEUDO_RANDOM",
    "I_S16",
    "LEVELS",
    "VARIANTS",
    "Handshake",
    "InitializeUpdate",
    "Opening",
    "Scp03Host",
    "Scp03State",
    "SecureMessagingError",
    "SessionProvider",
    "StaticKeys",
    "accept_external_authenticate",
    "answered",
    "derive",
    "derive_session_keys",
    "external_authenticate",
    "initialize_update_command",
    "key_check_value",
    "level_allowed",
    "pseudo_random_challenge",
    "ring_session",
    "static_session",
    "unwrap_command",
    "unwrap_key",
    "unwrap_response",
    "wrap_command",
    "wrap_key",
    "wrap_response",
]
