"""GlobalPlatform security domains: the card's own manager of applications and keys (GPC 2.3.1 §7, §11)."""

from .delegation import Authority, CheckedReceipt, ready_token
from .discovery import CardInformation, discover, find_issuer_domain
from .host import SecurityDomain
from .loading import Load, LoadState
from .model import AID, Privilege
from .model.cplc import Cplc
from .model.dgi import Dgi
from .model.parameters import DomainParameters, InstallParameters, LoadParameters
from .model.tokens import ControlReference, DapBlock
from .personalization import Encryption, Structure, key_set_groupings
from .recognition import Capabilities, CardData
from .registry import Registry
from .results import KeyInformation, Registered, RegisteredKind, Selection

__all__ = [
    "AID",
    "Authority",
    "Capabilities",
    "CardData",
    "CardInformation",
    "CheckedReceipt",
    "ControlReference",
    "Cplc",
    "DapBlock",
    "Dgi",
    "DomainParameters",
    "Encryption",
    "InstallParameters",
    "KeyInformation",
    "Load",
    "LoadParameters",
    "LoadState",
    "Privilege",
    "Registered",
    "RegisteredKind",
    "Registry",
    "SecurityDomain",
    "Selection",
    "Structure",
    "discover",
    "find_issuer_domain",
    "key_set_groupings",
    "ready_token",
]
