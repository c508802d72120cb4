"""The key rings: who knows keys, and computes with them so that nobody else has to.

``file:PATH`` is the built-in ring (:mod:`.file`), ``static:default`` and ``static:FILE`` are keys that a
person brings along (:mod:`.static`). All are found through the entry-point group ``tegata.keyrings`` and
implement :class:`tegata.apdu.ports.KeyRing`.
"""

from .file import FileKeyRing, MasterInfo, open_keyring
from .joined import JoinedKeyRing
from .passphrase import PASSPHRASE_FD, PASSPHRASE_FILE, read_passphrase
from .schemes import ENTRY_BADGE, FIXED, SP800_108_CMAC
from .static import StaticKeyRing

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
