"""GlobalPlatform cards with nothing on them but what manages them: all content comes by LOAD.

The issuer's domain verifies tokens and generates receipts as soon as it has the keys (versions 70 and 71); it
counts its memory, and holds the package of supplementary domains and that of the global PIN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...apdu.scp11 import Variant
from ...applets.security_domain import model
from ..apps.global_pin import MODULE_AID, PACKAGE_AID
from ..apps.security_domain.keystore import set_record
from ..apps.security_domain.protocols import OFFERED, Offer
from ..card.memory import memory_record
from ..card.registry import Privilege
from .company_card import FACTORY_KEY, card_memory, issuer, package, production
from .scp11 import add_scp11

__all__ = ["gp_card", "gp_full", "gp_scp02"]

FREE_NV, FREE_RAM = 144 * 1024, 4096
ISSUER = bytes.fromhex("999999")
"""An issuer identification number of ISO/IEC 7812 that nobody has: 9, then digits that no country gives."""


def gp_card(entropy: Callable[[int], bytes], i: int = model.SCP03_I) -> dict[str, bytes]:
    """SCP03 with AES-128; ``i`` is 00, 10, 20, 30, 60 or 70, with 01 beside it S16."""
    return _card(entropy, [Offer(3, i)], set_record(FACTORY_KEY, FACTORY_KEY, FACTORY_KEY))


def gp_scp02(entropy: Callable[[int], bytes], i: int = 0x55) -> dict[str, bytes]:
    """SCP02 with 3DES; ``i`` is one of the documented options (GPC 2.3.1 annex E)."""
    record = set_record(FACTORY_KEY, FACTORY_KEY, FACTORY_KEY, model.KeyType.DES)
    return _card(entropy, [Offer(2, i)], record)


def gp_full(entropy: Callable[[int], bytes], i: int = model.SCP03_I) -> dict[str, bytes]:
    """SCP03 as ``gp_card``, and SCP11a, b and c with certified keys; 65 failed handshakes erase a key."""
    return add_scp11(gp_card(entropy, i), entropy, Variant)


def _card(entropy: Callable[[int], bytes], offers: Sequence[Offer], factory_set: bytes) -> dict[str, bytes]:
    own = f"app/{model.AID.hex()}/"
    entries = (
        issuer(Privilege.TOKEN_VERIFICATION | Privilege.RECEIPT_GENERATION),
        package(model.SSD_PACKAGE, model.SSD_MODULE, "security-domain"),
        package(PACKAGE_AID, MODULE_AID, "global-pin"),
    )
    return {
        **card_memory(production(entropy), entries, factory_set),
        **memory_record(FREE_NV, FREE_RAM),
        own + OFFERED: b"".join(bytes(offer) for offer in offers),
        own + f"data/{model.Tag.IIN:x}": ISSUER,
    }
