"""What a CAP file that is to be written shall hold."""

from __future__ import annotations

from dataclasses import dataclass

from .fields import AID_LENGTHS, Version
from .header import FORMATS, CustomComponent, Package
from .packages import package_name
from .stream import CUSTOM_TAGS

__all__ = ["FRAMEWORK", "JAVA_LANG", "CapDraft"]

FRAMEWORK = Package(bytes.fromhex("A0000000620101"), Version(1, 0), "javacard.framework")
JAVA_LANG = Package(bytes.fromhex("A0000000620001"), Version(1, 0), "java.lang")
FIRST, CLASSIC = Version(1, 0), Version(2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapDraft:
    """A package: with ``applets`` (AIDs of its modules) an application, without any a library.

    ``size`` is the number of bytes that its load file shall have (without Descriptor); None takes the least.
    ``exported`` adds an Export component. ``values`` and ``arrays`` fill static fields, ``resources`` (format
    2.3) are files by number, ``custom`` components carry an AID and bytes. In the extended format ``aid``
    names the CAP file, and ``packages`` are the public ones in it.

    Raises ValueError for what the format cannot express.
    """

    aid: bytes
    version: Version = FIRST
    name: str = ""
    applets: tuple[bytes, ...] = ()
    imports: tuple[Package, ...] = (FRAMEWORK, JAVA_LANG)
    format: Version = CLASSIC
    extended: bool = False
    packages: tuple[Package, ...] = ()
    size: int | None = None
    exported: bool = False
    values: bytes = b""
    arrays: tuple[bytes, ...] = ()
    resources: tuple[tuple[int, bytes], ...] = ()
    custom: tuple[tuple[int, bytes, bytes], ...] = ()
    descriptor: bool = True
    debug: bool = False

    def __post_init__(self) -> None:
        aids = (self.aid, *self.applets, *(aid for _, aid, _ in self.custom))
        if any(len(aid) not in AID_LENGTHS for aid in aids):
            raise ValueError("an AID has 5 to 16 bytes")
        if len(set(self.applets)) < len(self.applets) or len(self.applets) > 0xFF:
            raise ValueError("applets have AIDs of their own, and are at most 255")
        if self.format not in FORMATS:
            raise ValueError(f"CAP format {self.format} is unknown")
        if (self.extended or self.resources) and self.format < (2, 3):
            raise ValueError("the extended format and static resources came with CAP format 2.3")
        if self.packages and not self.extended:
            raise ValueError("several packages need the extended format")
        if self.arrays and not self.applets:
            raise ValueError("a library initialises no arrays (JCVM 3.1 §6.11)")
        if any(tag not in CUSTOM_TAGS for tag, _, _ in self.custom):
            raise ValueError("custom components have tags 80 to FF")
        self.token(FRAMEWORK if self.applets else JAVA_LANG)

    def token(self, package: Package) -> int:
        """The number by which components refer to an imported package."""
        for token, imported in enumerate(self.imports):
            if imported.aid == package.aid:
                return token
        raise ValueError(f"the code written here needs {package_name(package.aid)} among the imports")

    @property
    def custom_components(self) -> tuple[CustomComponent, ...]:
        return tuple(CustomComponent(tag, len(content), aid) for tag, aid, content in self.custom)
