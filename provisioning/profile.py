"""The badge profile: what a badge of one kind is, in TOML, validated and versioned.

Text that differs from person to person is written with ``{employee.FIELD}``; the fields are a closed list
(:data:`FIELDS`) and the formatter knows nothing else. Applications and AIDs follow GPC 2.3.1 §11.5,
limits of printed information and CHUID follow SP 800-73-5 part 1.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..apdu.errors import InputError
from ..apdu.ports import KeyRef, KeyRing, KeySet
from .keyring.schemes import PIN_USAGES, SCHEMES
from .roster import Employee

__all__ = [
    "FIELDS",
    "CertificateProfile",
    "Domain",
    "EmployeeId",
    "EntryBadge",
    "Instance",
    "KeySpec",
    "PinSpec",
    "Printed",
    "Profile",
    "load_profile",
    "render",
]

FIELDS = (
    *("number", "name", "romaji", "kana", "department", "department_en", "email", "site"),
    *("valid_from", "valid_until"),
)
"""What ``{employee.…}`` may name. Dates are written as YYYY-MM-DD."""

_FIELD = re.compile(r"\{employee\.([a-z_]+)\}")
_LARGEST = 1 << 18


def render(template: str, employee: Employee) -> str:
    """The template with its fields filled in."""
    return _FIELD.sub(lambda match: str(getattr(employee, match[1])), template)


def _template(value: str) -> str:
    unknown = [name for name in _FIELD.findall(value) if name not in FIELDS]
    if unknown:
        raise ValueError(f"{{employee.{unknown[0]}}} is not a field; fields are {', '.join(FIELDS)}")
    if set(_FIELD.sub("", value)) & set("{}"):
        raise ValueError("braces stand only in fields like {employee.number}")
    return value


def _aid(value: str) -> str:
    if not re.fullmatch(r"([0-9A-F]{2}){5,16}", value):
        raise ValueError("an AID is 5 to 16 bytes as upper-case hex")
    return value


def _hex(value: str) -> str:
    if not re.fullmatch(r"([0-9A-F]{2})*", value):
        raise ValueError("bytes are written as upper-case hex")
    return value


def _scheme(value: str) -> str:
    if value not in SCHEMES:
        raise ValueError(f"schemes are {', '.join(sorted(SCHEMES))}")
    return value


Template = Annotated[str, AfterValidator(_template)]
Aid = Annotated[str, AfterValidator(_aid)]
Hex = Annotated[str, AfterValidator(_hex)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class KeySpec(_Model):
    """Where keys come from: a master of the key ring, a scheme, the key version on the card."""

    master: str = Field(min_length=1, max_length=64)
    scheme: Annotated[str, AfterValidator(_scheme)] = "sp800-108-cmac"
    version: int = Field(default=1, ge=0, le=0xFF)
    length: Literal[16, 24, 32] = 16

    def refer(self, ring: KeyRing, usage: str, diversification: bytes) -> KeyRef:
        """The reference of the key for ``usage``. Raises InputError ``keyring.*``."""
        return ring.refer(
            self.master,
            scheme=self.scheme,
            diversification=b"" if self.scheme == "fixed" else diversification,
            version=self.version,
            usage=usage,
            length=self.length,
        )

    def key_set(self, ring: KeyRing, diversification: bytes) -> KeySet:
        """ENC, MAC and DEK of this version. Raises InputError ``keyring.*``."""
        enc, mac, dek = (self.refer(ring, usage, diversification) for usage in ("enc", "mac", "dek"))
        return KeySet(self.version, enc, mac, dek)


class PinSpec(_Model):
    """A PIN or PUK: made by the key ring (``ring``), or typed by the holder at the desk (``typed``)."""

    source: Literal["ring", "typed"] = "ring"
    master: str = Field(default="", max_length=64)
    length: int = Field(default=8, ge=6, le=8)

    @model_validator(mode="after")
    def _master_for_ring(self) -> PinSpec:
        if (self.source == "ring") != bool(self.master):
            raise ValueError("a PIN of source ring names a master, a typed one does not")
        return self

    def refer(self, ring: KeyRing, usage: str, diversification: bytes, version: int = 1) -> KeyRef | None:
        """The reference of a PIN of the ring, None when it is typed. ``usage``: piv-pin or piv-puk."""
        if self.source == "typed":
            return None
        scheme = "sp800-108-cmac"
        return ring.refer(
            self.master,
            scheme=scheme,
            diversification=diversification,
            version=version,
            usage=usage,
            length=self.length,
        )


class Domain(_Model):
    """The security domain that the badge is loaded through: its AID, the maker's keys, the company's."""

    aid: Aid = "A000000151000000"
    factory: KeySpec
    keys: KeySpec

    @model_validator(mode="after")
    def _versions_differ(self) -> Domain:
        if self.factory.version == self.keys.version or not 1 <= self.keys.version <= 0x7F:
            raise ValueError("the company's keys need a version of their own, 1 to 127")
        return self


class Instance(_Model):
    """An application to install: ``application`` is ``employee-id`` or ``entry-badge``."""

    application: Literal["employee-id", "entry-badge"]
    package: Aid
    module: Aid
    instance: Aid
    privileges: Annotated[Hex, Field(min_length=2, max_length=6)] = "00"
    parameters: Annotated[Hex, Field(max_length=250)] = "C900"


class Printed(_Model):
    """Printed information, container 3001 (SP 800-73-5 part 1): ASCII, limits checked when rendered."""

    name: Template = "{employee.romaji}"
    affiliation: Template = "EMPLOYEE"
    serial: Template = "{employee.number}"
    issuer: Template
    organization: Template = ""
    department: Template = "{employee.department_en}"


PRINTED_LIMITS = {
    "name": 125,
    "affiliation": 20,
    "serial": 20,
    "issuer": 15,
    "organization": 20,
    "department": 20,
}


class CertificateProfile(_Model):
    """The certificate for the key 9A: client authentication, valid as long as the badge."""

    common_name: Template = "{employee.romaji}"
    organization: Template
    organizational_unit: Template = ""
    serial_number: Template = "{employee.number}"
    email: Template = "{employee.email}"
    key: Literal["P-256"] = "P-256"


class EmployeeId(_Model):
    """The employee ID (PIV): management key 9B, PIN, PUK, printed information, certificate."""

    management_key: KeySpec
    pin: PinSpec
    puk: PinSpec
    printed: Printed
    certificate: CertificateProfile

    @model_validator(mode="after")
    def _puk_length(self) -> EmployeeId:
        if self.puk.length not in PIN_USAGES["piv-puk"]:
            raise ValueError("a PUK has 8 digits")
        return self


class EntryBadge(_Model):
    """The entry badge: where its key comes from, sites and access classes by the roster's codes.

    Validity runs from the start of the first day to the end of the last one at ``utc_offset`` hours.
    """

    key: KeySpec
    number: Template = "{employee.number}"
    sites: dict[str, Annotated[int, Field(ge=1, le=0xFFFFFFFF)]] = Field(min_length=1)
    default_site: str = ""
    access_classes: dict[str, Annotated[int, Field(ge=0, le=0xFFFF)]] = Field(default_factory=dict)
    slot: int = Field(default=1, ge=1, le=4)
    utc_offset: int = Field(default=9, ge=-12, le=14)

    @model_validator(mode="after")
    def _consistent(self) -> EntryBadge:
        if len(set(self.sites.values())) != len(self.sites):
            raise ValueError("two sites have the same number")
        if self.default_site and self.default_site not in self.sites:
            raise ValueError("default_site is not one of the sites")
        if len(set(self.access_classes.values())) != len(self.access_classes):
            raise ValueError("two access classes have the same number")
        if self.key.scheme != "entry-badge":
            raise ValueError("the key of an entry badge has scheme entry-badge")
        return self


class Profile(_Model):
    """A whole profile. ``version`` is of the format, ``revision`` the company's own count."""

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    revision: int = Field(default=1, ge=1)
    label: str = Field(default="", max_length=128)
    domain: Domain
    instances: tuple[Instance, ...] = Field(min_length=1)
    employee_id: EmployeeId | None = None
    entry_badge: EntryBadge | None = None

    @model_validator(mode="after")
    def _sections_match(self) -> Profile:
        named = [instance.application for instance in self.instances]
        if len(set(named)) != len(named):
            raise ValueError("an application stands twice in instances")
        for name, section in (("employee-id", self.employee_id), ("entry-badge", self.entry_badge)):
            if (name in named) != (section is not None):
                raise ValueError(f"{name} needs both an instance and its section")
        return self

    def instance(self, application: str) -> Instance:
        """The instance of an application. Raises KeyError when the profile has none."""
        for instance in self.instances:
            if instance.application == application:
                return instance
        raise KeyError(application)

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``Profile.from_json`` gives the profile back."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Profile:
        """Raises InputError ``profile.invalid``."""
        return _validated(data, "profile")


def load_profile(path: Path) -> Profile:
    """The profile of a TOML file. Raises InputError ``input.file`` or ``profile.invalid``."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("profile.invalid", path=str(path), what=str(error)) from error
    return _validated(data, str(path))


def _validated(data: dict[str, Any], path: str) -> Profile:
    try:
        return Profile.model_validate(data, strict=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the profile"
        raise InputError("profile.invalid", path=path, what=f"{where}: {first['msg']}") from error
