"""What a status word means, for the command and the application that gave it.

Generic meanings: ISO/IEC 7816-4:2020 §5.6 tables 6–8. Meanings of single commands: ISO/IEC 7816-4 and -8,
GPC 2.3.1 §11, SP 800-73-5 part 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .command import Command, Response
from .errors import StatusError
from .names import command_name

__all__ = ["meaning", "status_error"]

GENERIC: Mapping[int, str] = MappingProxyType(
    {
        0x9000: "done",
        0x6200: "warning, nothing was changed",
        0x6281: "part of the data may be damaged",
        0x6282: "end of the file before Le bytes",
        0x6283: "the selected file or application is deactivated or locked",
        0x6285: "the selected file is terminated",
        0x6300: "warning, something was changed",
        0x6310: "more data is available",
        0x6381: "the file is full after this write",
        0x6400: "execution error, nothing was changed",
        0x6500: "execution error, something was changed",
        0x6581: "the card's memory failed",
        0x6600: "a security problem",
        0x6700: "wrong length",
        0x6881: "logical channels are not supported",
        0x6882: "secure messaging is not supported",
        0x6883: "the last command of the chain was expected",
        0x6884: "command chaining is not supported",
        0x6981: "the command does not fit the file",
        0x6982: "the security conditions are not met",
        0x6983: "the authentication method is blocked",
        0x6984: "the reference data cannot be used",
        0x6985: "the conditions of use are not met",
        0x6986: "not allowed: no file is selected",
        0x6987: "secure messaging objects are missing",
        0x6988: "secure messaging objects are wrong",
        0x6999: "the application refused to be selected",
        0x6A80: "the data of the command is wrong",
        0x6A81: "the function is not supported",
        0x6A82: "the file or application was not found",
        0x6A83: "the record was not found",
        0x6A84: "not enough memory",
        0x6A85: "Lc does not fit the TLV structure",
        0x6A86: "P1 or P2 is wrong",
        0x6A87: "Lc does not fit P1 and P2",
        0x6A88: "the referenced data was not found",
        0x6A89: "the file exists already",
        0x6A8A: "the name exists already",
        0x6B00: "the offset lies outside the file",
        0x6D00: "the instruction is not supported",
        0x6E00: "the class is not supported",
        0x6F00: "the card gives no reason",
    }
)

# By command name.
BY_COMMAND: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "VERIFY": {
            0x6300: "wrong PIN",
            0x6700: "the PIN has a length that the card does not take",
            0x6983: "the PIN is blocked",
            0x6984: "the PIN is blocked or cannot be used",
            0x6A88: "there is no such PIN",
        },
        "CHANGE REFERENCE DATA": {0x6983: "the PIN is blocked", 0x6985: "the new PIN is not allowed"},
        "RESET RETRY COUNTER": {0x6983: "the PUK is blocked"},
        "SELECT": {
            0x6283: "selected, but it is locked",
            0x6A82: "there is no such application or file",
            0x6999: "the application refused to be selected",
        },
        "READ BINARY": {
            0x6982: "a PIN is needed before this file is read",
            0x6A82: "there is no such file",
            0x6B00: "the offset lies behind the end of the file",
        },
        "GET DATA": {
            0x6A82: "there is no such data object",
            0x6A88: "there is no such data object",
            0x6982: "a PIN is needed before this object is read",
        },
        "PUT DATA": {0x6A84: "not enough memory for this object", 0x6982: "the management key is needed"},
        "PERFORM SECURITY OPERATION": {
            0x6982: "the PIN of the key is needed",
            0x6A80: "the input does not fit the key",
            0x6985: "the key or its PIN cannot be used now",
        },
        "GENERAL AUTHENTICATE": {
            0x6982: "the PIN or the authentication is missing",
            0x6A80: "the authentication template is wrong",
            0x6A86: "there is no such key or algorithm",
            0x6A88: "there is no such key",
        },
        "GENERATE ASYMMETRIC KEY PAIR": {0x6982: "the management key is needed"},
        "INITIALIZE UPDATE": {
            0x6982: "the security domain is locked",
            0x6983: "the key set is blocked",
            0x6985: "a secure channel cannot be opened now",
            0x6A88: "there is no such key version",
        },
        "EXTERNAL AUTHENTICATE": {
            0x6300: "the host cryptogram is wrong",
            0x6982: "the host cryptogram or its MAC is wrong",
        },
        "INSTALL": {
            0x6A80: "the install data is wrong",
            0x6A84: "not enough memory",
            0x6A88: "the package, module or security domain was not found",
            0x6985: "not allowed in this life cycle state",
        },
        "LOAD": {0x6A84: "not enough memory for this package", 0x6985: "LOAD was not announced by INSTALL"},
        "DELETE": {
            0x6985: "something still depends on it",
            0x6A88: "there is nothing of this name",
            0x6A82: "there is nothing of this name",
        },
        "PUT KEY": {
            0x6982: "a secure channel is needed, or the key is protected",
            0x6A80: "the key data or a check value is wrong",
            0x6A84: "not enough memory for another key set",
            0x6A88: "the key version to replace was not found",
            0x9484: "the algorithm is not supported",
            0x9485: "the key check value is wrong",
        },
        "STORE DATA": {
            0x6985: "no application waits for personalisation",
            0x6A80: "the data is wrong for this application",
            0x6A88: "there is no such data object",
        },
        "SET STATUS": {
            0x6A80: "this change of life cycle state is not allowed",
            0x6A88: "nothing of this name",
        },
        "GET STATUS": {0x6310: "more entries follow", 0x6A88: "there are no entries"},
        "MANAGE CHANNEL": {0x6A81: "no further logical channel is free"},
    }
)

# By application and command name, where an application differs from the standard.
BY_APPLICATION: Mapping[tuple[str, str], Mapping[int, str]] = MappingProxyType(
    {
        ("PIV", "GET DATA"): {0x6A82: "the card holds no such data object"},
        ("JPKI", "VERIFY"): {0x6984: "the PIN is blocked; the municipal office resets it"},
        ("JPKI", "SELECT"): {0x6A86: "the card does not take this form of SELECT"},
    }
)


def meaning(sw: int, command: str = "", application: str = "") -> str:
    """What ``sw`` says to ``command`` (a name of :mod:`tegata.apdu.names`) in ``application``."""
    for table in (BY_APPLICATION.get((application, command)), BY_COMMAND.get(command), GENERIC):
        if table and sw in table:
            return table[sw]
    if sw & 0xFFF0 == 0x63C0:
        left = sw & 0x0F
        return f"wrong value, {left} tries left" if command in PIN_COMMANDS else f"counter at {left}"
    if sw >> 8 == 0x61:
        return f"{sw & 0xFF or 256} more bytes are ready"
    if sw >> 8 == 0x6C:
        return f"wrong Le, {sw & 0xFF or 256} bytes are there"
    family = sw & 0xFF00
    return GENERIC.get(family, "unknown") if family != 0x9000 else "unknown"


PIN_COMMANDS = frozenset(("VERIFY", "CHANGE REFERENCE DATA", "RESET RETRY COUNTER"))


def status_error(command: Command, response: Response, application: str = "") -> StatusError:
    """The error that says what the card's refusal of ``command`` means."""
    name = command_name(command)
    return StatusError(response.sw, name, application, meaning(response.sw, name, application))
