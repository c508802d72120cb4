"""GlobalPlatform security domains: the card's own manager of applications and keys (GPC 2.3.1 §7, §11)."""

from .host import Encryption, SecurityDomain, key_set_groupings
from .model import AID, Privilege
from .model.cplc import Cplc
from .model.dgi import Dgi
from .results import CardData, KeyInformation, Registered, RegisteredKind, Selection

__all__ = [
    "AID",
    "CardData",
    "Cplc",
    "Dgi",
    "Encryption",
    "KeyInformation",
    "Privilege",
    "Registered",
    "RegisteredKind",
    "SecurityDomain",
    "Selection",
    "key_set_groupings",
]
