"""A key ring on a PKCS #11 token (scheme ``pkcs11:``): masters that never leave it, not even to this program.

:mod:`.ring` is the ring that the rest of the house sees. It speaks over pipes (:mod:`.wire`) with one worker
process (:mod:`.worker`), which alone loads the token's module, one call at a time: a module that hangs or
crashes takes nobody along. :mod:`.token` holds the rules of the ring over keys that the token computes with
(:mod:`.keys`). What leaves the token for which scheme stands in docs/reference/pkcs11.md.
"""

from .ring import PIN_FD, PIN_FILE, Pkcs11KeyRing, open_keyring
from .uri import Pkcs11Uri

__all__ = ["PIN_FD", "PIN_FILE", "Pkcs11KeyRing", "Pkcs11Uri", "open_keyring"]
