"""Constants of the security domain (GPC 2.3.1 §11, Amendment D 1.1.1), and its small codecs.

``dgi`` holds the codec of data groupings, ``cplc`` the one of the production life cycle data.
"""

from __future__ import annotations

import enum

from ....apdu.tlv import encode_length, parse_length

__all__ = [
    "AID",
    "Ins",
    "Install",
    "KeyType",
    "Privilege",
    "SSD_MODULE",
    "SSD_PACKAGE",
    "StatusScope",
    "SystemParameter",
    "Tag",
    "lv",
    "parse_lv",
    "read_lv",
]

AID = bytes.fromhex("A000000151000000")
"""The issuer security domain (GPC 2.3.1 §H.1.3)."""
SSD_PACKAGE = bytes.fromhex("A0000001515350")
SSD_MODULE = bytes.fromhex("A000000151535041")
"""Package and module from which supplementary security domains are made (common practice)."""

FACTORY_KVN = 0xFF
"""Version of the key set that a card's maker leaves (GPC 2.3.1 Amd D §7.2; 01–7F are for issuers)."""
MAX_KVN = 0x7F
KEY_TYPE_AES = 0x88
KCV_LENGTH = 3
SCP03_I = 0x70
"""Pseudo-random card challenge, R-MAC, R-ENC (GPC 2.3.1 Amd D table 5-1)."""


class Ins(enum.IntEnum):
    """Instructions of a security domain (GPC 2.3.1 table 11-1; SCP02: annex E; SCP11: Amendment F)."""

    PERFORM_SECURITY_OPERATION = 0x2A
    INITIALIZE_UPDATE = 0x50
    END_R_MAC = 0x78
    BEGIN_R_MAC = 0x7A
    EXTERNAL_AUTHENTICATE = 0x82  # in SCP11a and c: MUTUAL AUTHENTICATE
    INTERNAL_AUTHENTICATE = 0x88
    GET_DATA = 0xCA
    PUT_KEY = 0xD8
    STORE_DATA = 0xE2
    DELETE = 0xE4
    INSTALL = 0xE6
    LOAD = 0xE8
    SET_STATUS = 0xF0
    GENERATE_KEY = 0xF1
    GET_STATUS = 0xF2


class Install(enum.IntEnum):
    """P1 of INSTALL (GPC 2.3.1 table 11-40)."""

    FOR_LOAD = 0x02
    FOR_INSTALL = 0x04
    MAKE_SELECTABLE = 0x08
    INSTALL_AND_MAKE_SELECTABLE = 0x0C
    FOR_EXTRADITION = 0x10
    FOR_PERSONALIZATION = 0x20
    REGISTRY_UPDATE = 0x40
    LOAD_INSTALL_AND_MAKE_SELECTABLE = 0x0E
    MORE = 0x80


class StatusScope(enum.IntEnum):
    """P1 of GET STATUS and SET STATUS (GPC 2.3.1 §11.4.2.1, §11.10.2.1)."""

    ISSUER_DOMAIN = 0x80
    APPLICATIONS = 0x40
    PACKAGES = 0x20
    PACKAGES_AND_MODULES = 0x10


class Tag(enum.IntEnum):
    """Data objects of a security domain (GPC 2.3.1 §11.3.3, §11.4.3, §H)."""

    FCI = 0x6F
    AID = 0x84
    FCI_PROPRIETARY = 0xA5
    MAX_COMMAND_DATA = 0x9F65
    IIN = 0x42
    CIN = 0x45
    CARD_DATA = 0x66
    CARD_RECOGNITION = 0x73
    CAPABILITIES = 0x67
    SEQUENCE_COUNTER = 0xC1
    DIVERSIFICATION = 0xCF
    KEY_INFORMATION = 0xE0
    KEY = 0xC0
    CPLC = 0x9F7F
    REGISTRY_ENTRY = 0xE3
    REGISTRY_AID = 0x4F
    LIFE_CYCLE = 0x9F70
    PRIVILEGES = 0xC5
    PACKAGE = 0xC4
    VERSION = 0xCE
    MODULE = 0x84
    DOMAIN = 0xCC
    APPLICATION_PARAMETERS = 0xC9
    KEY_ID = 0xD0
    KEY_VERSION = 0xD2
    LOAD_FILE = 0xC4
    DAP_BLOCK = 0xE2
    DAP_SIGNATURE = 0xC3
    SYSTEM_PARAMETERS = 0xEF
    CONTROL_REFERENCE = 0xB6  # template that binds a token to card and provider
    PROVIDER = 0x5F20
    TOKEN_NUMBER = 0x93
    TOKEN = 0x9E
    RECEIPT_COUNTER = 0xC2
    SECURITY_LEVEL = 0xD3
    MANAGER_URL = 0x5F50
    EXTENDED_RESOURCES = 0xFF21
    CERTIFICATE_STORE = 0xBF21
    KLOC_IDENTIFIERS = 0xFF33
    KLCC_IDENTIFIERS = 0xFF34
    KEY_OF_AUTHORITY = 0x83


class SystemParameter(enum.IntEnum):
    """Inside ``EF`` of INSTALL parameters (GPC 2.3.1 tables 11-48, 11-49)."""

    CODE_MINIMUM = 0xC6  # of INSTALL [for load]
    VOLATILE_QUOTA = 0xC7
    NON_VOLATILE_QUOTA = 0xC8
    IMPLICIT_SELECTION = 0xCF
    VOLATILE_RESERVED = 0xD7
    NON_VOLATILE_RESERVED = 0xD8
    RESTRICT = 0xD9


class KeyType(enum.IntEnum):
    """Coding of a key's type (GPC 2.3.1 table 11-16)."""

    DES = 0x80
    AES = 0x88
    RSA_EXPONENT = 0xA0
    RSA_MODULUS = 0xA1
    EC_PUBLIC = 0xB0
    EC_PRIVATE = 0xB1
    EC_PARAMETERS = 0xF0
    EXTENDED = 0xFF


class Privilege(enum.IntFlag):
    """Privileges as a 24-bit number, first byte highest (GPC 2.3.1 table 11-7)."""

    NONE = 0
    SECURITY_DOMAIN = 0x800000
    DAP_VERIFICATION = 0xC00000
    MANDATED_DAP = 0xC10000
    DELEGATED_MANAGEMENT = 0xA00000
    CARD_LOCK = 0x100000
    CARD_TERMINATE = 0x080000
    CARD_RESET = 0x040000  # "default selected"
    CVM_MANAGEMENT = 0x020000
    TRUSTED_PATH = 0x008000
    AUTHORIZED_MANAGEMENT = 0x004000
    TOKEN_VERIFICATION = 0x002000
    GLOBAL_DELETE = 0x001000
    GLOBAL_LOCK = 0x000800
    GLOBAL_REGISTRY = 0x000400
    FINAL_APPLICATION = 0x000200
    GLOBAL_SERVICE = 0x000100
    RECEIPT_GENERATION = 0x000080
    CIPHERED_LOAD_FILE = 0x000040
    CONTACTLESS_ACTIVATION = 0x000020
    CONTACTLESS_SELF_ACTIVATION = 0x000010


def lv(value: bytes) -> bytes:
    """The value behind its length: one byte, from 128 on in the BER form (GPC 2.3.1 tables 11-42 ff.)."""
    return encode_length(len(value)) + value


def read_lv(raw: bytes, offset: int) -> tuple[bytes, int]:
    """The field at ``offset`` of INSTALL, and the offset after it. Raises ValueError.

    A length byte 80 alone, which BER does not have, means 128: so do hosts write that know one byte only.
    """
    if raw[offset : offset + 1] == b"\x80":
        length, start = 0x80, offset + 1
    else:
        length, start = parse_length(raw, offset)
    value = raw[start : start + length]
    if len(value) < length:
        raise ValueError(f"a field claims {length} bytes, {len(value)} are there")
    return value, start + length


def parse_lv(raw: bytes, count: int) -> list[bytes]:
    """``count`` fields, each behind its length; trailing empty fields may be missing.

    Hosts leave out the last length byte of INSTALL [for personalization]. Raises ValueError.
    """
    fields: list[bytes] = []
    offset = 0
    while offset < len(raw) and len(fields) < count:
        value, offset = read_lv(raw, offset)
        fields.append(value)
    if offset != len(raw):
        raise ValueError(f"{len(raw) - offset} bytes follow the last field")
    return fields + [b""] * (count - len(fields))


GLOBALPLATFORM_OID = bytes.fromhex("2A864886FC6B")
