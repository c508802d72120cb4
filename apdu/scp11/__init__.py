"""Secure Channel Protocol 11 a, b and c, both sides (GPC 2.3.1 Amendment F 1.4).

``agreement`` holds the messages and what both sides compute, ``handshake`` the two sides of it, ``curves``
points and keys, ``certificates``, ``x509``, ``legacy`` and ``chain`` the certificates, ``objects`` what is
stored with keys, ``host`` the side that talks to a card. After the handshake the channel is that of SCP03.
"""

from .agreement import AgreedKeys, Answer, KeyUsage, Request, Variant, agree
from .certificates import Certificate, Role
from .chain import (
    MAX_CHAIN,
    Anchor,
    ChainError,
    check_link,
    read_certificate,
    verify_chain,
    without_root,
)
from .curves import (
    curve_of,
    curve_reference,
    field_bytes,
    new_private_key,
    point,
    private_key,
    read_point,
    scalar,
)
from .handshake import Established, HostOpening, ReceiptError, accept, script
from .host import Chaining, Identity, Scp11Host, Trust, open_channel, read_certificates
from .objects import AUTHORITY_KIDS, CaIdentifier, KeyNumber, is_authority

__all__ = [
    "AUTHORITY_KIDS",
    "MAX_CHAIN",
    "AgreedKeys",
    "Anchor",
    "Answer",
    "CaIdentifier",
    "Certificate",
    "ChainError",
    "Chaining",
    "Established",
    "HostOpening",
    "Identity",
    "KeyNumber",
    "KeyUsage",
    "ReceiptError",
    "Request",
    "Role",
    "Scp11Host",
    "Trust",
    "Variant",
    "accept",
    "agree",
    "check_link",
    "curve_of",
    "curve_reference",
    "field_bytes",
    "is_authority",
    "new_private_key",
    "open_channel",
    "point",
    "private_key",
    "read_certificate",
    "read_certificates",
    "read_point",
    "scalar",
    "script",
    "verify_chain",
    "without_root",
]
