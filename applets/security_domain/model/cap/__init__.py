"""CAP files and load files of Java Card (JCVM 3.1 chapter 6): read, checked, hashed, written.

``read_cap`` takes a ``.cap`` or a raw load file, ``LoadFile.parse`` what a card was given; both raise
``CapError`` for whatever is malformed, saying which component and which byte. ``write_cap`` makes CAP files
from a ``CapDraft``.
"""

from .archive import MAX_CAP_FILE, Cap, read_cap
from .draft import FRAMEWORK, JAVA_LANG, CapDraft
from .fields import CapError, Version
from .header import CustomComponent, Flag, Package
from .linking import Applet
from .load_file import HASHES, LoadFile, load_file_hash
from .packages import package_name
from .stream import LOAD_ORDER, Component, Kind
from .writer import draft_components, pack_cap, write_cap

__all__ = [
    "FRAMEWORK",
    "HASHES",
    "JAVA_LANG",
    "LOAD_ORDER",
    "MAX_CAP_FILE",
    "Applet",
    "Cap",
    "CapDraft",
    "CapError",
    "Component",
    "CustomComponent",
    "Flag",
    "Kind",
    "LoadFile",
    "Package",
    "Version",
    "draft_components",
    "load_file_hash",
    "pack_cap",
    "package_name",
    "read_cap",
    "write_cap",
]
