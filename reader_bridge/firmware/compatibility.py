"""Which firmware suits which device: ``compatibility.toml``, and what an installation adds to it.

The table holds what an image cannot say of itself: that a model has its firmware in ROM, that a version must
not follow another, that an image needs a newer tegata. Its judgements are those that ``--force`` overrides;
signature, digest, hardware id, version order and size are none of its business.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version as installed_version
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ...apdu.devices import DeviceIdentity
from ...apdu.errors import InputError, Words
from ..frames.mcuboot import Version
from .version_range import VersionRange

__all__ = ["Compatibility", "Model", "Rule", "Text"]

_TABLE = "compatibility.toml"
_UNKNOWN = Words(
    "neither the image nor the device names a hardware id, and the table does not know the model",
    "イメージにも装置にもハードウェア ID がなく、対応表にもこの機種がありません",
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Text(_Strict):
    """A sentence in both languages."""

    en: str = Field(min_length=1)
    ja: str = Field(min_length=1)

    @property
    def words(self) -> Words:
        return Words(self.en, self.ja)


Range = Annotated[VersionRange, BeforeValidator(lambda value: VersionRange.parse(str(value)))]
_ANY = VersionRange.parse("")


class Model(_Strict):
    """A kind of device. ``update`` says how its firmware is replaced; ``none`` needs a reason."""

    name: str = Field(min_length=1)
    update: Literal["smp", "osdp", "none"]
    hardware_ids: tuple[str, ...] = ()
    reason: Text | None = None


class Rule(_Strict):
    """A combination that must not be: every condition that stands there holds.

    ``features`` (device) and ``host`` (version of tegata) are needs: where either stands, the rule refuses
    only what lacks it.
    """

    model: str
    hardware_id: str = ""
    installed: Range = _ANY
    image: Range = _ANY
    features: tuple[str, ...] = ()
    host: Range = _ANY
    reason: Text

    def refuses(self, device: DeviceIdentity, image: Version, host: Version) -> bool:
        """Whether this rule speaks against ``image`` in ``device``, when updated by tegata ``host``."""
        if self.model != device.model or (self.hardware_id and self.hardware_id != device.hardware_id):
            return False
        if image not in self.image or not _installed_in(device.firmware, self.installed):
            return False
        lacks_feature = not device.features.issuperset(self.features)
        old_host = host not in self.host
        needs = bool(self.features or self.host.conditions)
        return lacks_feature or old_host or not needs


class Compatibility(_Strict):
    """The whole table."""

    format: Literal[1]
    model: tuple[Model, ...] = ()
    rule: tuple[Rule, ...] = ()

    @classmethod
    def load(cls, further: Path | None = None) -> Compatibility:
        """The table of this package; what stands in ``further`` comes before it.

        Raises InputError ``firmware.table`` when that file is not right.
        """
        own = _own()
        if further is None:
            return own
        added = _parse(_read(further), str(further))
        return cls(format=1, model=(*added.model, *own.model), rule=(*added.rule, *own.rule))

    def find(self, name: str) -> Model | None:
        """What the table says of a model, if anything."""
        return next((model for model in self.model if model.name == name), None)

    def objections(
        self, device: DeviceIdentity, image: Version, image_hardware: str, host: Version | None = None
    ) -> list[Words]:
        """Every reason against ``image`` (its version and hardware id) in ``device``; empty when it suits."""
        host = host or _host()
        found = [rule.reason.words for rule in self.rule if rule.refuses(device, image, host)]
        model = self.find(device.model)
        if model is None and not (image_hardware and device.hardware_id):
            found.append(_UNKNOWN)
        if model is not None and model.hardware_ids and image_hardware not in (*model.hardware_ids, ""):
            known = ", ".join(model.hardware_ids)
            found.append(
                Words(
                    f"the table names the hardware ids {known} for {device.model}",
                    f"対応表では {device.model} のハードウェア ID は {known} です",
                )
            )
        return found

    def why_never(self, device: DeviceIdentity) -> Words | None:
        """Why this device's firmware is never replaced; None when it can be."""
        model = self.find(device.model)
        if model is not None and model.update == "none" and model.reason is not None:
            return model.reason.words
        return None if device.updatable else device.why


def _installed_in(firmware: str, limits: VersionRange) -> bool:
    if not limits.conditions:
        return True
    try:
        return Version.parse(firmware) in limits
    except ValueError:
        return False


@cache
def _own() -> Compatibility:
    text = files(__package__).joinpath(_TABLE).read_text(encoding="utf-8")
    return _parse(text, _TABLE)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("firmware.table", path=str(path), what=str(error)) from error


def _parse(text: str, path: str) -> Compatibility:
    try:
        table = Compatibility.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError("firmware.table", path=path, what=str(error)) from error
    except ValidationError as error:
        raise InputError("firmware.table", path=path, what=first_defect(error)) from error
    _complete(table.model, path)
    return table


def _complete(models: Iterable[Model], path: str) -> None:
    for model in models:
        if model.update == "none" and model.reason is None:
            raise InputError("firmware.table", path=path, what=f"model {model.name}: no reason")


def first_defect(error: ValidationError) -> str:
    """Where the first defect is and what pydantic says of it, in one phrase."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"


@cache
def _host() -> Version:
    return Version.parse(installed_version("tegata").partition(".dev")[0])
