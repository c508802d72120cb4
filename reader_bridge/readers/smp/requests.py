"""The group of SMP commands that tegata's devices have beside the stock ones: identity, settings, checks.

Described in docs/protocols/reader-firmware.md. A device without it answers "not supported", and the driver
does with the stock groups.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from smp import error, message

from ...frames.smp import READER_GROUP, ReaderCommand, ReaderRc

__all__ = ["Check", "ChecksRun", "FindMeWrite", "IdentityRead", "SettingsRead", "SettingsWrite"]


class _ErrorV1(error.ErrorV1):
    _GROUP_ID = READER_GROUP


class _ErrorV2(error.ErrorV2[ReaderRc]):
    _GROUP_ID = READER_GROUP


class _Errors:
    _ErrorV1 = _ErrorV1
    _ErrorV2 = _ErrorV2


class IdentityResponse(message.ReadResponse):
    """Who the device is. What it does not say stays empty; what is not known here is passed over."""

    model_config = ConfigDict(extra="ignore")
    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.IDENTITY

    model: str = Field(min_length=1, max_length=64)
    vendor: str = Field(default="", max_length=64)
    serial: str = Field(default="", max_length=64)
    hardware_id: str = Field(default="", max_length=64)
    counter: int | None = Field(default=None, ge=0)
    slot_size: int = Field(default=0, ge=0)
    features: list[str] = Field(default=[], max_length=64)


class IdentityRead(message.ReadRequest, _Errors):
    """Ask who the device is."""

    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.IDENTITY
    _Response = IdentityResponse


class SettingsResponse(message.ReadResponse):
    """All settings by name."""

    model_config = ConfigDict(extra="ignore")
    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SETTINGS

    settings: dict[str, str | int | bool | list[Any]]


class SettingsRead(message.ReadRequest, _Errors):
    """Ask for all settings."""

    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SETTINGS
    _Response = SettingsResponse


class SettingsWritten(message.WriteResponse):
    """The settings are kept."""

    model_config = ConfigDict(extra="ignore")
    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SETTINGS


class SettingsWrite(message.WriteRequest, _Errors):
    """Keep these settings, all or none; others stay."""

    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SETTINGS
    _Response = SettingsWritten

    settings: dict[str, Any]


class Check(BaseModel):
    """How one check of the device ended."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1, max_length=64)
    verdict: Literal["passed", "failed", "skipped"]
    en: str = Field(default="", max_length=200)
    ja: str = Field(default="", max_length=200)


class ChecksResponse(message.WriteResponse):
    """Every check that the device can do."""

    model_config = ConfigDict(extra="ignore")
    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SELF_TEST

    findings: list[Check] = Field(max_length=64)


class ChecksRun(message.WriteRequest, _Errors):
    """Let the device check itself."""

    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.SELF_TEST
    _Response = ChecksResponse


class FindMeDone(message.WriteResponse):
    """The lamp is on."""

    model_config = ConfigDict(extra="ignore")
    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.FIND_ME


class FindMeWrite(message.WriteRequest, _Errors):
    """Show where the device is."""

    _GROUP_ID = READER_GROUP
    _COMMAND_ID = ReaderCommand.FIND_ME
    _Response = FindMeDone

    seconds: int
