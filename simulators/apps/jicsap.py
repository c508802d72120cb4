"""What the applications of the My Number Card share: elementary files, PINs, RSA keys (JICSAP style, ISO
7816-4).

An application is a table of files; its content lies in the instance's memory under ``ef/hhll`` (content of a
file, or the PKCS #8 form of a key), ``pin/hhll`` (value) and ``tries/hhll`` (tries left, one byte). No
official specification is public: where the behaviour of real cards is not known, ``CardPolicy`` has a switch.

A PIN stays verified while its application stays selected: over the selection of files, over the selection of
the application itself, and over the end of the host's program; selecting another application or the card
manager ends it, and so does a reset.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...apdu.command import Command, Response
from ..card.application import Application, CardStatus, Context
from . import rsa_sign

__all__ = ["ElementaryFile", "FileApplication", "Internal", "Key", "Pin", "Records", "Transparent"]

INS_VERIFY, INS_CHANGE, INS_PERFORM_SECURITY_OPERATION, INS_CHANGE_PROPRIETARY = 0x20, 0x24, 0x2A, 0x32
INS_GET_CHALLENGE, INS_INTERNAL_AUTHENTICATE, INS_SELECT, INS_READ_BINARY = 0x84, 0x88, 0xA4, 0xB0
INS_GET_DATA = 0xCA
UNLIMITED = 0xFF
CONTACT_ATR = 0x5F51
CURRENT, VERIFIED = "current", "verified"


@dataclass(frozen=True, slots=True)
class Transparent:
    """Bytes to read: by anybody (None) or when one of these PIN files is verified (empty: never)."""

    readers: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """A PIN of ``shortest`` to ``longest`` bytes; ``tries`` 0 is a reference that is blocked for ever,
    ``UNLIMITED`` one that never blocks (a query answers 6300)."""

    tries: int
    shortest: int
    longest: int
    changeable: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """An RSA private key, used when one of these references is verified (None: by anybody)."""

    users: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """A file of records, read by READ RECORD."""


@dataclass(frozen=True, slots=True)
class Internal:
    """A file that the card uses itself: it can be selected and nothing else."""


ElementaryFile = Transparent | Pin | Key | Records | Internal


class FileApplication(Application):
    """Base of the card's applications. Subclasses give the table of files and, if any, a default key."""

    files: ClassVar[Mapping[int, ElementaryFile]] = {}
    default_key: ClassVar[int | None] = None
    secure_messaging_sw: ClassVar[int] = 0x6982
    instructions: ClassVar[Mapping[int, tuple[int, str]]] = {
        INS_SELECT: (0x00, "_select_file"),
        INS_READ_BINARY: (0x00, "_read_binary"),
        INS_VERIFY: (0x00, "_verify"),
        INS_CHANGE: (0x00, "_change"),
        INS_GET_CHALLENGE: (0x00, "_get_challenge"),
        INS_PERFORM_SECURITY_OPERATION: (0x80, "_sign"),
        INS_GET_DATA: (0x00, "_get_data"),
    }

    def select(self, ctx: Context, command: Command) -> Response:
        """No FCI. A selection of the application that is selected already keeps its verified PINs."""
        ctx.clear_on_deselect.pop(CURRENT, None)
        return Response()

    def process(self, ctx: Context, command: Command) -> Response:
        if command.cla & 0x0C and command.cla & 0x70 == 0:
            raise CardStatus(self.secure_messaging_sw)
        if command.cla not in (0x00, 0x80):
            raise CardStatus(0x6E00)
        if command.ins not in self.instructions:
            raise CardStatus(0x6D00)
        cla, handler = self.instructions[command.ins]
        if command.cla != cla:
            raise CardStatus(0x6E00)
        response: Response = getattr(self, handler)(ctx, command)
        return response

    # files

    def _select_file(self, ctx: Context, command: Command) -> Response:
        if command.p1 == 0x00:
            if command.data:
                raise CardStatus(0x6A82)
            return Response()
        if command.p1 != 0x02 or command.p2 not in (0x00, 0x0C):
            raise CardStatus(0x6A86)
        if len(command.data) != 2:
            raise CardStatus(0x6700)
        number = int.from_bytes(command.data, "big")
        if number not in self.files:
            raise CardStatus(0x6A82)
        ctx.clear_on_deselect[CURRENT] = number
        return Response()

    def _short_id(self, ctx: Context, number: int) -> int:
        """A file named by short id becomes the current one (ISO 7816-4 §7.2.1)."""
        if not ctx.policy.short_ids:
            raise CardStatus(0x6A86)
        if number not in self.files:
            raise CardStatus(0x6A82)
        ctx.clear_on_deselect[CURRENT] = number
        return number

    def _current(self, ctx: Context) -> int:
        number = ctx.clear_on_deselect.get(CURRENT)
        if number is None:
            raise CardStatus(0x6986)
        return int(number)

    def _reference(self, ctx: Context, p2: int) -> int:
        """The key or PIN that P2 names: 80 the current file, 80|SFI another one."""
        if p2 & 0xE0 != 0x80:
            raise CardStatus(0x6A86)
        return self._short_id(ctx, p2 & 0x1F) if p2 & 0x1F else self._current(ctx)

    def _read_binary(self, ctx: Context, command: Command) -> Response:
        if command.p1 & 0x80:
            if command.p1 & 0x60:
                raise CardStatus(0x6A86)
            number, offset = self._short_id(ctx, command.p1 & 0x1F), command.p2
        else:
            number, offset = self._current(ctx), command.p1 << 8 | command.p2
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        file = self.files[number]
        if not isinstance(file, Transparent):
            raise CardStatus(0x6981)
        readers = self._readers(ctx, number, file)
        if readers is not None and not readers & self._verified(ctx):
            raise CardStatus(0x6982)
        content = ctx.nv.get(f"ef/{number:04x}")
        if offset >= len(content):
            raise CardStatus(0x6B00)
        return Response(content[offset : offset + command.le])

    def _readers(self, ctx: Context, number: int, file: Transparent) -> frozenset[int] | None:
        """Which references open a file; an application may have a switch for it."""
        return file.readers

    # PINs

    def _verified(self, ctx: Context) -> frozenset[int]:
        found: frozenset[int] = ctx.clear_on_deselect.get(VERIFIED, frozenset())
        return found

    def _pin(self, ctx: Context, p2: int) -> tuple[int, Pin]:
        number = self._reference(ctx, p2)
        pin = self.files[number]
        if not isinstance(pin, Pin):
            raise CardStatus(0x6981)
        return number, self._rule(ctx, number, pin)

    def _rule(self, ctx: Context, number: int, pin: Pin) -> Pin:
        """The rule of a PIN; an application may have a switch for it."""
        return pin

    def _tries(self, ctx: Context, number: int, pin: Pin) -> int:
        """What is left; a reference that was never given a value has none."""
        left = ctx.nv.get(f"tries/{number:04x}", b"\x00")[0]
        if pin.tries == UNLIMITED:
            return UNLIMITED if left else 0
        return min(left, pin.tries)

    def _verify(self, ctx: Context, command: Command) -> Response:
        """VERIFY; without data it tells the tries left and spends none.

        The counter is written before the comparison and reset by a write of its own, so that no cut of the
        power buys a free try.
        """
        if command.p1 != 0x00:
            raise CardStatus(0x6A86)
        number, pin = self._pin(ctx, command.p2)
        tries = self._tries(ctx, number, pin)
        if not command.data:
            if ctx.policy.verified_query_answers_9000 and number in self._verified(ctx):
                return Response()
            return Response(sw=0x6300 if pin.tries == UNLIMITED else 0x63C0 | tries)
        if tries == 0:
            raise CardStatus(ctx.policy.blocked_pin_sw)
        plausible = pin.shortest <= len(command.data) <= pin.longest
        if not plausible and not ctx.policy.implausible_pin_counts:
            raise CardStatus(0x6700)
        limited = pin.tries != UNLIMITED
        if limited:
            ctx.nv.put(f"tries/{number:04x}", bytes((tries - 1,)))
        if not hmac.compare_digest(command.data, ctx.nv.get(f"pin/{number:04x}")):
            if ctx.policy.failed_verify_clears_status:
                ctx.clear_on_deselect[VERIFIED] = self._verified(ctx) - {number}
            return Response(sw=0x63C0 | (tries - 1) if limited else 0x6300)
        if limited:
            ctx.nv.put(f"tries/{number:04x}", bytes((pin.tries,)))
        ctx.clear_on_deselect[VERIFIED] = self._verified(ctx) | {number}
        return Response()

    def _change(self, ctx: Context, command: Command) -> Response:
        """CHANGE REFERENCE DATA with P1 = 01: the new value alone, after VERIFY of the old one."""
        return self._replace(ctx, command, 0x01)

    def _change_proprietary(self, ctx: Context, command: Command) -> Response:
        """80 32 00: the same job in the common and the 住基 application."""
        return self._replace(ctx, command, 0x00)

    def _replace(self, ctx: Context, command: Command, p1: int) -> Response:
        if command.p1 != p1:
            raise CardStatus(0x6A86)
        number, pin = self._pin(ctx, command.p2)
        if not pin.changeable:
            raise CardStatus(0x6985)
        if number not in self._verified(ctx):
            raise CardStatus(0x6982)
        if not pin.shortest <= len(command.data) <= pin.longest:
            raise CardStatus(0x6700)
        ctx.nv.put(f"pin/{number:04x}", command.data)
        return Response()

    # keys and random numbers

    def _sign(self, ctx: Context, command: Command) -> Response:
        """COMPUTE DIGITAL SIGNATURE (80 2A): P1 says what the card adds, P2 = 00 means the default key."""
        if command.p2 == 0x00:
            if self.default_key is None:
                raise CardStatus(0x6A86)
            number = self.default_key
        else:
            number = self._reference(ctx, command.p2)
        key = self.files[number]
        if not isinstance(key, Key):
            raise CardStatus(0x6981)
        if key.users is not None and not key.users & self._verified(ctx):
            raise CardStatus(0x6982)
        if not command.data:
            raise CardStatus(0x6700)
        try:
            encoded = rsa_sign.encode(command.p1, command.data, ctx.random)
        except KeyError:
            raise CardStatus(0x6A86) from None
        except ValueError:
            raise CardStatus(ctx.policy.sign_length_sw) from None
        ctx.spend("rsa2048_private")
        return Response(rsa_sign.private_operation(ctx.nv.get(f"ef/{number:04x}"), encoded))

    def _get_data(self, ctx: Context, command: Command) -> Response:
        """Objects stand at card level; the ATR of the contacts answers inside applications on some cards."""
        tag = command.p1 << 8 | command.p2
        if tag != CONTACT_ATR or not ctx.policy.contact_atr_in_applications:
            raise CardStatus(ctx.policy.get_data_in_application_sw)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        return Response(ctx.contact_atr[1:])

    def _get_challenge(self, ctx: Context, command: Command) -> Response:
        if command.p1 or command.p2:
            raise CardStatus(0x6A86)
        if command.extended:
            raise CardStatus(0x6985)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        ctx.spend("random_block", -(-command.le // 16))
        return Response(ctx.random(command.le))
