"""The key rings: who knows keys, and computes with them so that nobody else has to.

``file:PATH`` is the built-in ring (:mod:`.file`), ``static:default`` and ``static:FILE`` are keys that a
person brings along (:mod:`.static`). All are found through the entry-point group ``tegata.keyrings`` and
implement :class:`tegata.apdu.ports.KeyRing`. The file's ring is loaded when somebody asks for it: its
validation takes longer to load than all else that opens a card with keys brought along.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .joined import JoinedKeyRing
from .passphrase import PASSPHRASE_FD, PASSPHRASE_FILE, read_passphrase
from .schemes import ENTRY_BADGE, FIXED, SP800_108_CMAC
from .static import StaticKeyRing

if TYPE_CHECKING:
    from .file import FileKeyRing, MasterInfo, open_keyring

__all__ = [
    "ENTRY_BADGE",
    "FIXED",
    "PASSPHRASE_FD",
    "PASSPHRASE_FILE",
    "SP800_108_CMAC",
    "FileKeyRing",
    "JoinedKeyRing",
    "MasterInfo",
    "StaticKeyRing",
    "open_keyring",
    "read_passphrase",
]

OF_THE_FILE = ("FileKeyRing", "MasterInfo", "open_keyring")


def __getattr__(name: str) -> Any:
    if name not in OF_THE_FILE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.file"), name)
