"""A blank GlobalPlatform card as its maker delivers it to a company.

The issuer security domain holds the maker's key set (AES-128, 40…4F, version FF); the packages of both badge
applications lie in the card's memory; nothing is installed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable

from ...applets.entry_badge import model as entry_badge
from ...applets.piv import model as piv
from ...applets.security_domain import model
from ...applets.security_domain.model.cplc import Cplc, date_code
from ..apps.security_domain.keystore import ORDER, set_record
from ..card.policy import GLOBALPLATFORM
from ..card.registry import Kind, LifeCycle, Privilege, RegistryEntry, entry_key

__all__ = ["FACTORY_KEY", "card_memory", "company_card", "issuer", "package", "production"]

FACTORY_KEY = bytes(range(0x40, 0x50))
# ISO 7816-4 §12.1.1.9: selection by full and partial name; chaining, extended length, four logical channels.
HISTORICAL = bytes.fromhex("8073C821D3")


def _atr(interface_bytes: bytes) -> bytes:
    """TS, T0 with its count of historical bytes, and the check byte TCK (ISO 7816-3 §8.2)."""
    body = bytes((interface_bytes[0] | len(HISTORICAL),)) + interface_bytes[1:] + HISTORICAL
    check = 0
    for byte in body:
        check ^= byte
    return b"\x3b" + body + bytes((check,))


ATR_CONTACT = _atr(bytes.fromhex("90188131FE45"))
"""T=1 alone: Fi 372, Di 12, IFSC 254, BWI 4, CWI 5."""
ATR_CONTACTLESS = _atr(bytes.fromhex("808001"))
"""What PC/SC part 3 §3.1.3.2.3.1 makes of an ISO 14443-4 card with these historical bytes."""


def company_card(entropy: Callable[[int], bytes]) -> dict[str, bytes]:
    """The memory of a new card; its serial number and CIN come from ``entropy``."""
    return card_memory(production(entropy), _registry(), set_record(FACTORY_KEY, FACTORY_KEY, FACTORY_KEY))


def card_memory(cplc: Cplc, entries: Iterable[RegistryEntry], factory_set: bytes) -> dict[str, bytes]:
    """What every new card of this maker holds; ``factory_set`` is the record of its first key set."""
    own = f"app/{model.AID.hex()}/"
    memory = {
        "card/policy": GLOBALPLATFORM.to_bytes(),
        "card/atr-contact": ATR_CONTACT,
        "card/atr-contactless": ATR_CONTACTLESS,
        "card/cplc": bytes(cplc),
        own + ORDER: bytes((model.FACTORY_KVN,)),
        own + f"key/{model.FACTORY_KVN:02x}": factory_set,
        own + f"data/{model.Tag.CIN:x}": cplc.ic_serial + cplc.ic_batch,
    }
    for order, entry in enumerate(entries, start=1):
        memory[entry_key(entry.aid)] = entry.with_(order=order).to_bytes()
    return memory


def production(entropy: Callable[[int], bytes]) -> Cplc:
    """Production data of an invented maker (fabricator 0000); serial and batch are random."""
    made = datetime.date(2026, 1, 5)
    return Cplc(
        ic_fabricator=b"\x00\x00",
        ic_type=b"\x54\x47",
        operating_system=b"\x00\x01",
        os_release_date=date_code(made),
        os_release_level=b"\x01\x00",
        ic_fabrication_date=date_code(made + datetime.timedelta(days=14)),
        ic_serial=entropy(4),
        ic_batch=entropy(2),
        module_packaging_date=date_code(made + datetime.timedelta(days=28)),
        embedding_date=date_code(made + datetime.timedelta(days=35)),
    )


def _registry() -> list[RegistryEntry]:
    return [
        issuer(),
        package(model.SSD_PACKAGE, model.SSD_MODULE, "security-domain"),
        package(piv.PACKAGE_AID, piv.MODULE_AID, "piv"),
        package(entry_badge.PACKAGE_AID, entry_badge.MODULE_AID, "entry-badge"),
    ]


def issuer(more: int = 0) -> RegistryEntry:
    """The issuer's domain of a new card; ``more`` are privileges beyond the usual ones."""
    return RegistryEntry(
        aid=model.AID,
        kind=Kind.ISSUER_DOMAIN,
        life_cycle=LifeCycle.CARD_OP_READY,
        privileges=Privilege.SECURITY_DOMAIN
        | Privilege.CARD_LOCK
        | Privilege.CARD_TERMINATE
        | Privilege.CARD_RESET
        | Privilege.CVM_MANAGEMENT
        | Privilege.TRUSTED_PATH
        | Privilege.AUTHORIZED_MANAGEMENT
        | Privilege.GLOBAL_DELETE
        | Privilege.GLOBAL_LOCK
        | Privilege.GLOBAL_REGISTRY
        | more,
        model="issuer-domain",
    )


def package(aid: bytes, module: bytes, name: str) -> RegistryEntry:
    return RegistryEntry(
        aid=aid,
        kind=Kind.PACKAGE,
        life_cycle=LifeCycle.LOADED,
        domain=model.AID,
        version=b"\x01\x00",
        modules=((module, name),),
    )
