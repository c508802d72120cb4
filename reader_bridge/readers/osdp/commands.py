"""``tegata readers osdp-install``: a new OSDP peripheral gets its key."""

from __future__ import annotations

import json

import click

from ....apdu.errors import ReaderError, Words, language
from .address import SCHEME, OsdpAddress
from .install import install

__all__ = ["osdp_install"]

_SET = Words("{url}: its own key is set and in use.", "{url}: 固有の鍵を設定し、使用を確認しました。")
_THERE = Words("{url}: it has that key already.", "{url}: すでにその鍵が設定されています。")


@click.command("osdp-install")
@click.argument("url", metavar="URL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def osdp_install(url: str, as_json: bool) -> None:
    """Give the OSDP peripheral at URL its own key, while it is in install mode.

    \b
    The key is derived from a master key in a key ring, for this one peripheral, or stands in a file:
      tegata readers osdp-install "osdp:/dev/ttyUSB0?address=1&key=file:keys.ring&master=osdp"
      tegata readers osdp-install "osdp:/dev/ttyUSB0?address=1&scbk=gate-1.key"
    It goes over the line under a key that everybody knows (SCBK-D): do this at a bench, where nobody else
    hears the line. Afterwards the new key is proved in a session of its own.

    Exit codes: 104 when the peripheral does not take a key, 28 and 29 for the line, 36 without the driver.
    """
    scheme, _, rest = url.partition(":")
    if scheme != SCHEME:
        raise ReaderError("osdp.url", what=Words("it begins with osdp:", "osdp: で始めます"))
    address = OsdpAddress.parse(rest)
    done = install(address)
    if as_json:
        click.echo(json.dumps({"url": address.url, "set": done}))
        return
    words = _SET if done else _THERE
    click.echo((words.ja if language() == "ja" else words).format(url=address.url))
