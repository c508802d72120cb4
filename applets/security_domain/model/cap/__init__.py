"""CAP files and load files of Java Card (JCVM 3.1 chapter 6): read, checked, hashed.

``read_cap`` takes a ``.cap`` or a raw load file, ``LoadFile.parse`` what a card was given; both raise
``CapError`` for whatever is malformed, saying which component and which byte.
"""

from .archive import MAX_CAP_FILE, Cap, read_cap
from .fields import CapError, Version
from .header import CustomComponent, Flag, Package
from .linking import Applet
from .load_file import HASHES, LoadFile, load_file_hash
from .packages import package_name
from .stream import LOAD_ORDER, Component, Kind

__all__ = [
    "HASHES",
    "LOAD_ORDER",
    "MAX_CAP_FILE",
    "Applet",
    "Cap",
    "CapError",
    "Component",
    "CustomComponent",
    "Flag",
    "Kind",
    "LoadFile",
    "Package",
    "Version",
    "load_file_hash",
    "package_name",
    "read_cap",
]
