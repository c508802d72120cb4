"""The independent GlobalPlatform host, under the names that the tests of this folder use."""

from ...foreign.gpp.channel import GpRefused
from ...foreign.gpp.crypto import aes_cbc as cbc
from ...foreign.gpp.crypto import aes_kcv as kcv
from ...foreign.gpp.crypto import cmac, kdf
from ...foreign.gpp.host import DEFAULT, ISD, GpHost, block_with_length, block_without_length

__all__ = [
    "DEFAULT",
    "ISD",
    "GpHost",
    "GpRefused",
    "block_with_length",
    "block_without_length",
    "cbc",
    "cmac",
    "kcv",
    "kdf",
]
