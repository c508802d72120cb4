"""The applications that a simulated card can hold, by the name that its registry keeps."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from ..card.application import Application

__all__ = ["MODELS", "load"]

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
    "mynumber-common": "mynumber_common:CommonApplication",
    "free-space-id": "free_space_id:FreeSpaceId",
    "piv": "piv:Piv",
    "entry-badge": "entry_badge:EntryBadge",
}
"""Model name to ``module:class`` below this package."""


@cache
def load(name: str) -> Application:
    """The application of that name. Raises KeyError for a name that this version does not know."""
    module, _, attribute = MODELS[name].partition(":")
    application: Application = getattr(import_module(f".{module}", __package__), attribute)()
    return application
