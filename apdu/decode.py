"""Says in one line what a command asks and what an answer says, in the English of the standards.

PINs and keys are never shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .command import Command, Response
from .names import application_name, command_name, is_select_by_aid
from .secure_messaging import is_secured, unsecured
from .status import meaning
from .tlv import Tlv

__all__ = ["describe_command", "describe_objects", "describe_response"]

REGISTRY = {
    0x80: "issuer security domain",
    0x40: "applications",
    0x20: "packages",
    0x10: "packages and modules",
}
INSTALL_STEPS = {
    0x02: "load",
    0x04: "install",
    0x08: "make selectable",
    0x10: "extradition",
    0x20: "personalization",
    0x40: "registry update",
}


def describe_command(command: Command) -> str:
    """One line: channel, secure messaging, name, and what the parameters say."""
    name = command_name(command)
    what = f"{name}{_detail(name, command)}"
    if command.channel:
        what = f"[channel {command.channel}] {what}"
    if is_secured(command.cla) and name not in ("EXTERNAL AUTHENTICATE",):
        what += ", secured"
    if _chained(command.cla):
        what += ", more follows"
    return what


def describe_response(command: Command, response: Response, application: str = "") -> str:
    """One line: status word, its meaning for ``command``, and how many bytes came."""
    said = meaning(response.sw, command_name(command), application, lang="en")
    text = f"{response.sw:04X} {said}"
    if not response.data:
        return text
    unit = "byte" if len(response.data) == 1 else "bytes"
    return f"{text}, {len(response.data)} {unit}"


TEMPLATES = (0x61, 0x62, 0x64, 0x66, 0x67, 0x6F, 0x7F21, 0xE0, 0xE3)
"""Data objects that an answer of a card is taken apart for: interindustry and GlobalPlatform templates."""
OBJECTS = {
    0x42: "issuer identification number",
    0x45: "card image number",
    0x4F: "AID",
    0x50: "label",
    0x5F50: "URL",
    0x61: "application template",
    0x66: "card data",
    0x67: "card capabilities",
    0x6F: "file control information",
    0x73: "card recognition data",
    0x79: "tag allocation authority",
    0x82: "file descriptor",
    0x83: "file identifier",
    0x84: "DF name",
    0x9F65: "longest command data",
    0x9F6E: "production life cycle data",
    0x9F70: "life cycle state",
    0xA5: "proprietary information",
    0xAC: "algorithms",
    0xC0: "key",
    0xC4: "load file",
    0xC5: "privileges",
    0xCC: "security domain",
    0xCE: "version",
    0xE0: "key information",
    0xE3: "registry entry",
}


MAX_DEPTH = 8
AIDS = (0x4F, 0x84, 0xC4, 0xCC)


def describe_objects(data: bytes, *, depth: int = 0) -> list[str]:
    """The data objects of an answer, a line each, indented as they are nested; none when it is not made
    of templates (a certificate, a file, random bytes)."""
    try:
        found = Tlv.parse_all(data)
    except ValueError:
        return []
    if not found or (depth == 0 and any(tlv.tag not in TEMPLATES for tlv in found)):
        return []
    return [line for tlv in found for line in _object_lines(tlv, depth)]


def _object_lines(tlv: Tlv, depth: int) -> list[str]:
    name = OBJECTS.get(tlv.tag, "")
    head = f"{'  ' * depth}{tlv.tag:02X} {name}".rstrip()
    deeper = tlv.constructed and depth < MAX_DEPTH
    inner = describe_objects(tlv.value, depth=depth + 1) if deeper else []
    if inner:
        return [head, *inner]
    meaning_of = f"  ({application_name(tlv.value)})" if tlv.tag in AIDS and tlv.value else ""
    return [f"{head}: {tlv.value.hex().upper()}{meaning_of}"]


def _detail(name: str, command: Command) -> str:
    describe = _DETAILS.get(name)
    return f" {describe(command)}" if describe is not None else _parameters(command)


def _parameters(command: Command) -> str:
    text = f" P1={command.p1:02X} P2={command.p2:02X}"
    return text + (f", {len(command.data)} bytes" if command.data else "")


def _select(command: Command) -> str:
    if is_select_by_aid(command):
        return application_name(command.data)
    if not command.data:
        return "master file"
    kind = {0x00: "file", 0x01: "DF", 0x02: "EF", 0x08: "path", 0x09: "path"}.get(command.p1, "file")
    return f"{kind} {command.data.hex().upper()}"


def _read_binary(command: Command) -> str:
    if command.p1 & 0x80:
        return f"SFI {command.p1 & 0x1F:02X} from {command.p2}"
    return f"from {command.p1 << 8 | command.p2}"


def _pin(command: Command) -> str:
    reference = f"reference {command.p2:02X}"
    return f"{reference}, data hidden" if command.data else f"{reference}, asks for the tries left"


def _get_data(command: Command) -> str:
    if command.ins == 0xCB or command.data:
        try:
            asked = Tlv.parse(command.data)
        except ValueError:
            return command.data.hex().upper()
        return asked.value.hex().upper() if asked.tag == 0x5C else f"{command.p1 << 8 | command.p2:04X}"
    return f"{command.p1 << 8 | command.p2:04X}"


def _put_data(command: Command) -> str:
    try:
        asked, _ = Tlv.read(command.data, 0)
    except ValueError:
        return f"{len(command.data)} bytes"
    return (
        f"{asked.value.hex().upper() if asked.tag == 0x5C else f'{asked.tag:X}'}, {len(command.data)} bytes"
    )


def _install(command: Command) -> str:
    steps = [text for bit, text in INSTALL_STEPS.items() if command.p1 & bit]
    return f"[for {' and '.join(steps)}]" if steps else f"P1={command.p1:02X}"


def _block(command: Command) -> str:
    last = ", last" if command.p1 & 0x80 else ""
    return f"block {command.p2}{last}, {len(command.data)} bytes"


def _put_key(command: Command) -> str:
    what = f"replaces version {command.p1:02X}" if command.p1 else "adds a key set"
    return f"{what}, key {command.p2 & 0x7F:02X}, data hidden"


def _delete(command: Command) -> str:
    try:
        target, _ = Tlv.read(command.data, 0)
    except ValueError:
        return f"{len(command.data)} bytes"
    related = " and what belongs to it" if command.p2 & 0x80 else ""
    return (application_name(target.value) if target.tag == 0x4F else "key") + related


def _manage_channel(command: Command) -> str:
    return f"close {command.p2}" if command.p1 & 0x80 else "open"


_DETAILS: Mapping[str, Callable[[Command], str]] = {
    "SELECT": _select,
    "READ BINARY": _read_binary,
    "VERIFY": _pin,
    "CHANGE REFERENCE DATA": _pin,
    "RESET RETRY COUNTER": _pin,
    "GET DATA": _get_data,
    "PUT DATA": _put_data,
    "INSTALL": _install,
    "LOAD": _block,
    "STORE DATA": _block,
    "PUT KEY": _put_key,
    "DELETE": _delete,
    "MANAGE CHANNEL": _manage_channel,
    "GET RESPONSE": lambda command: f"{command.le} bytes",
    "GET STATUS": lambda command: REGISTRY.get(command.p1, f"P1={command.p1:02X}"),
    "INITIALIZE UPDATE": lambda command: f"key version {command.p1:02X}",
    "EXTERNAL AUTHENTICATE": lambda command: f"level {command.p1:02X}",
    "GENERAL AUTHENTICATE": lambda command: f"algorithm {command.p1:02X}, key {command.p2:02X}",
    "GENERATE ASYMMETRIC KEY PAIR": lambda command: f"key {command.p2:02X}",
    "GET CHALLENGE": lambda command: f"{command.le} bytes",
}


def _chained(cla: int) -> bool:
    return bool(unsecured(cla) & 0x10)
