"""The applications that a simulated card can hold, by the name that its registry keeps."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from ..card.application import Application

__all__ = ["MODELS", "load", "package_models", "packages"]

MODELS = {
    "issuer-domain": "security_domain:SecurityDomain",
    "security-domain": "security_domain:SecurityDomain",
    "jicsap-manager": "card_manager:CardManager",
    "jpki": "jpki:Jpki",
    "jpki-android": "jpki:AndroidJpki",
    "jpki-iphone": "jpki:IphoneJpki",
    "juki": "juki:JukiApplication",
    "mynumber-text": "mynumber_text:TextApplication",
    "mynumber-visual": "mynumber_visual:VisualApplication",
    "opaque": "opaque:OpaqueApplication",
    "global-pin": "global_pin:GlobalPinApplication",
    "placeholder": "placeholder:Placeholder",
    "mynumber-common": "mynumber_common:CommonApplication",
    "free-space-id": "free_space_id:FreeSpaceId",
    "piv": "piv:Piv",
    "entry-badge": "entry_badge:EntryBadge",
}
"""Model name to ``module:class`` below this package."""

PACKAGE_VERSION = b"\x01\x00"


@cache
def packages() -> Mapping[bytes, Mapping[bytes, str]]:
    """Packages that have models here, by AID: the AIDs of their modules, and the models' names."""
    from ...applets.entry_badge import model as entry_badge
    from ...applets.piv import model as piv
    from ...applets.security_domain import model as domain
    from . import global_pin

    return {
        domain.SSD_PACKAGE: {domain.SSD_MODULE: "security-domain"},
        global_pin.PACKAGE_AID: {global_pin.MODULE_AID: "global-pin"},
        piv.PACKAGE_AID: {piv.MODULE_AID: "piv"},
        entry_badge.PACKAGE_AID: {entry_badge.MODULE_AID: "entry-badge"},
    }


def package_models(aid: bytes, version: bytes) -> Mapping[bytes, str]:
    """Module AIDs of a package that has a model here, and the models' names; nothing for any other package.

    ``version`` is major and minor. Such a package comes alive when it is loaded.
    """
    return packages().get(aid, {}) if version == PACKAGE_VERSION else {}


@cache
def load(name: str) -> Application:
    """The application of that name. Raises KeyError for a name that this version does not know."""
    module, _, attribute = MODELS[name].partition(":")
    application: Application = getattr(import_module(f".{module}", __package__), attribute)()
    return application
