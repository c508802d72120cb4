"""Names of instructions and of well-known applications, for sentences, traces and the shell.

Only names: what an application is and does stands in its package under ``applets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .command import Command

__all__ = ["APPLICATIONS", "application_name", "aid_of", "command_name", "is_select_by_aid"]

# ISO/IEC 7816-4:2020 table 5, -8, -9; GPC 2.3.1 table 11-1; SP 800-73-5.
INTERINDUSTRY: Mapping[int, str] = MappingProxyType(
    {
        0x04: "DEACTIVATE FILE",
        0x0C: "ERASE RECORD",
        0x0E: "ERASE BINARY",
        0x20: "VERIFY",
        0x21: "VERIFY",
        0x22: "MANAGE SECURITY ENVIRONMENT",
        0x24: "CHANGE REFERENCE DATA",
        0x26: "DISABLE VERIFICATION",
        0x28: "ENABLE VERIFICATION",
        0x2A: "PERFORM SECURITY OPERATION",
        0x2C: "RESET RETRY COUNTER",
        0x44: "ACTIVATE FILE",
        0x46: "GENERATE ASYMMETRIC KEY PAIR",
        0x47: "GENERATE ASYMMETRIC KEY PAIR",
        0x70: "MANAGE CHANNEL",
        0x82: "EXTERNAL AUTHENTICATE",
        0x84: "GET CHALLENGE",
        0x86: "GENERAL AUTHENTICATE",
        0x87: "GENERAL AUTHENTICATE",
        0x88: "INTERNAL AUTHENTICATE",
        0xA2: "SEARCH RECORD",
        0xA4: "SELECT",
        0xB0: "READ BINARY",
        0xB1: "READ BINARY",
        0xB2: "READ RECORD",
        0xB3: "READ RECORD",
        0xC0: "GET RESPONSE",
        0xC2: "ENVELOPE",
        0xCA: "GET DATA",
        0xCB: "GET DATA",
        0xD0: "WRITE BINARY",
        0xD6: "UPDATE BINARY",
        0xD7: "UPDATE BINARY",
        0xDA: "PUT DATA",
        0xDB: "PUT DATA",
        0xDC: "UPDATE RECORD",
        0xE0: "CREATE FILE",
        0xE2: "STORE DATA",
        0xE4: "DELETE",
        0xE6: "TERMINATE",
    }
)
GLOBALPLATFORM: Mapping[int, str] = MappingProxyType(
    {
        0x50: "INITIALIZE UPDATE",
        0x78: "END R-MAC SESSION",
        0x7A: "BEGIN R-MAC SESSION",
        0xD8: "PUT KEY",
        0xE2: "STORE DATA",
        0xE4: "DELETE",
        0xE6: "INSTALL",
        0xE8: "LOAD",
        0xF0: "SET STATUS",
        0xF1: "GENERATE KEY",
        0xF2: "GET STATUS",
    }
)

# AID to name. The longest AID that begins the one selected wins, so that versions need no line of their own.
APPLICATIONS: Mapping[bytes, str] = MappingProxyType(
    {
        bytes.fromhex(aid): name
        for aid, name in {
            "A000000151000000": "ISD",
            "A0000001515350": "SSD package",
            "A000000308000010000100": "PIV",
            "A000000308": "PIV",
            "D392F000260100000001": "JPKI",
            "D3921000310001010100": "My Number Card common",
            "D3921000310001010401": "Juki",
            "D3921000310001010402": "My Number Card visual",
            "D3921000310001010408": "My Number Card text",
            "A0000000620001": "Java Card",
            "A0000002471001": "eMRTD",
            "D27600012401": "OpenPGP",
            "D2760000850101": "NDEF",
            "A0000006472F0001": "FIDO",
            "A0000000871002": "USIM",
            "325041592E5359532E4444463031": "PPSE",
            "F05445474154412D4944": "free-space ID",
        }.items()
    }
)


def command_name(command: Command) -> str:
    """The standard's name of a command, by its class and instruction; ``INS xx`` for an unknown one."""
    if command.cla & 0x80 and command.ins in GLOBALPLATFORM:
        return GLOBALPLATFORM[command.ins]
    return INTERINDUSTRY.get(command.ins) or GLOBALPLATFORM.get(command.ins) or f"INS {command.ins:02X}"


def application_name(aid: bytes) -> str:
    """The name of the application that ``aid`` (whole or right-truncated) selects, else its hex."""
    for length in range(len(aid), 4, -1):
        if aid[:length] in APPLICATIONS:
            return APPLICATIONS[aid[:length]]
    return aid.hex().upper() or "default application"


def aid_of(name: str) -> bytes | None:
    """The AID of a well-known application by its name, upper and lower case alike."""
    wanted = name.casefold()
    return next((aid for aid, known in APPLICATIONS.items() if known.casefold() == wanted), None)


def is_select_by_aid(command: Command) -> bool:
    """Whether ``command`` selects an application: interindustry SELECT with P1 = 04."""
    return command.ins == 0xA4 and command.p1 == 0x04 and not command.cla & 0x80
