"""``tegata sim reader gempc-twin``, ``gempc-pinpad`` and ``gemcore-pos-pro``: readers that pcscd drives."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from ..apdu.errors import InputError, language
from ..apdu.ports import TransmissionProtocol
from ..reader_bridge.share.gemcore import (
    GEMCORE_POS_PRO,
    GEMPC_PINPAD,
    GEMPC_TWIN,
    Model,
    PinRequest,
    PinSource,
    Prompt,
)
from .devices.gemcore import GemCoreReader
from .devices.pin_keys import PinKeys
from .reader_host import LineOptions, held_card, host, line_options, trace_option

__all__ = ["COMMANDS"]

EMPTY = "-"
_PROTOCOLS = {"t0": TransmissionProtocol.T0, "t1": TransmissionProtocol.T1}

_interface = click.option(
    "--interface",
    type=click.Choice(["contact", "contactless"]),
    default="contact",
    show_default=True,
    help="How the card is reached; some cards allow less without contacts.",
)
_protocol = click.option(
    "--protocol",
    type=click.Choice(sorted(_PROTOCOLS)),
    help="Show the card over T=0 or T=1, whatever its ATR says.",
)

_PROMPTS = {
    Prompt.PIN: {"en": "the PIN", "ja": "暗証番号"},
    Prompt.NEW: {"en": "the new PIN", "ja": "新しい暗証番号"},
    Prompt.CONFIRM: {"en": "the new PIN again", "ja": "新しい暗証番号をもう一度"},
}
_ON_THE_PAD = {
    "en": "PIN pad: type {what} ({least} to {most} digits), then Enter; Enter alone cancels.",
    "ja": "PIN パッド: {what} ({least}〜{most} 桁) を入力して Enter。Enter だけで中止します。",
}


@click.command("gempc-twin")
@click.argument("card", metavar="PRESET|FILE")
@_interface
@_protocol
@line_options
@trace_option
def gempc_twin(
    card: str, interface: str, protocol: str | None, line: LineOptions, trace: Path | None
) -> None:
    """A GemPC Twin with a card in it.

    \b
    tegata sim reader gempc-twin my-number-card --line /run/gempc
    DEVICENAME in pcscd's reader.conf: /run/gempc:GemPCTwin
    """
    _host(GEMPC_TWIN, [card], interface, protocol, line, trace)


@click.command("gempc-pinpad")
@click.argument("card", metavar="PRESET|FILE")
@click.option("--type-pin", is_flag=True, help="Type the PINs of the pad on this terminal.")
@click.option(
    "--pin-fd",
    type=click.IntRange(0),
    metavar="N",
    help="Read the PINs of the pad from this file descriptor, a line each (for tests).",
)
@_interface
@_protocol
@line_options
@trace_option
def gempc_pinpad(
    card: str,
    type_pin: bool,
    pin_fd: int | None,
    interface: str,
    protocol: str | None,
    line: LineOptions,
    trace: Path | None,
) -> None:
    """A GemPC PinPad with a card in it. Without --type-pin or --pin-fd nobody is at the pad: it cancels.

    \b
    tegata sim reader gempc-pinpad badge.sim --type-pin --line /run/gempc
    DEVICENAME in pcscd's reader.conf: /run/gempc:GemPCPinPad
    """
    if type_pin and pin_fd is not None:
        raise click.UsageError("Give --type-pin or --pin-fd, not both.")
    _host(GEMPC_PINPAD, [card], interface, protocol, line, trace, _keys(type_pin, pin_fd))


@click.command("gemcore-pos-pro")
@click.argument("cards", nargs=-1, required=True, metavar="PRESET|FILE...")
@_interface
@_protocol
@line_options
def gemcore_pos_pro(cards: tuple[str, ...], interface: str, protocol: str | None, line: LineOptions) -> None:
    """A GemCore POS Pro: five slots with a card each; - leaves a slot empty.

    \b
    tegata sim reader gemcore-pos-pro my-number-card - badge.sim --line /run/gempos
    DEVICENAME in pcscd's reader.conf: /run/gempos:GemCorePOSPro
    """
    if len(cards) > GEMCORE_POS_PRO.slots:
        raise click.UsageError(f"This reader has {GEMCORE_POS_PRO.slots} slots.")
    _host(GEMCORE_POS_PRO, cards, interface, protocol, line, None)


COMMANDS = (gempc_twin, gempc_pinpad, gemcore_pos_pro)


def _host(
    model: Model,
    cards: Sequence[str],
    interface: str,
    protocol: str | None,
    line: LineOptions,
    trace: Path | None,
    pin_source: PinSource | None = None,
) -> None:
    with ExitStack() as stack:
        held = {
            slot: stack.enter_context(held_card(card, interface, trace))
            for slot, card in enumerate(cards)
            if card != EMPTY
        }
        links = [held[slot].link if slot in held else None for slot in range(len(cards))]
        shown = _PROTOCOLS[protocol] if protocol else None
        firmware = GemCoreReader(model, links, pin_source=pin_source, protocol=shown)
        stack.callback(firmware.close)

        def take_out() -> None:
            for slot, card in held.items():
                card.tear()
                firmware.take_out(slot)

        def put_in() -> None:
            for slot in held:
                firmware.put_in(slot)

        host(firmware, line, model.name, {"SIGUSR1": take_out, "SIGUSR2": put_in})


def _keys(type_pin: bool, pin_fd: int | None) -> PinSource | None:
    """Raises InputError ``simreader.keys`` where nothing can be typed."""
    if pin_fd is None and not type_pin:
        return None
    descriptor = pin_fd
    if descriptor is None and sys.stdin.isatty():
        descriptor = sys.stdin.fileno()
    if sys.platform == "win32" or descriptor is None or not _is_open(descriptor):
        raise InputError("simreader.keys")
    return PinKeys(descriptor, _show if type_pin else lambda _: None)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _show(request: PinRequest) -> None:
    what = _PROMPTS[request.prompt][language()]
    click.echo(_ON_THE_PAD[language()].format(what=what, least=request.least, most=request.most), err=True)
