"""The parameters field of INSTALL (GPC 2.3.1 tables 11-48 to 11-53)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ....apdu.tlv import Tlv
from ....applets.security_domain.model import SystemParameter, Tag
from ....applets.security_domain.model.tokens import ControlReference
from ...card.application import CardStatus
from ...card.registry import RegistryEntry

__all__ = ["Parameters"]

MEMORY_LENGTHS = (2, 4)


@dataclass(frozen=True, slots=True)
class Parameters:
    """``application`` is the value of ``C9``, ``system`` what stands in ``EF``, ``reference`` the control
    reference template ``B6``."""

    application: bytes = b""
    system: tuple[Tlv, ...] = ()
    reference: ControlReference = field(default_factory=ControlReference)

    @classmethod
    def parse(cls, raw: bytes) -> Parameters:
        """Objects of other standards beside these (``CA``, ``EA`` of ETSI TS 102 226) are passed over.

        Raises CardStatus 6A80.
        """
        try:
            objects = {tlv.tag: tlv.value for tlv in Tlv.parse_all(raw)}
            system = tuple(Tlv.parse_all(objects.get(Tag.SYSTEM_PARAMETERS, b"")))
            reference = ControlReference.parse(objects.get(Tag.CONTROL_REFERENCE, b""))
        except ValueError:
            raise CardStatus(0x6A80) from None
        return cls(objects.get(Tag.APPLICATION_PARAMETERS, b""), system, reference)

    def memory(self, tag: SystemParameter) -> int:
        """A number of bytes, in two bytes or four; 0 when it is not there. Raises CardStatus 6A80."""
        value = next((tlv.value for tlv in self.system if tlv.tag == tag), b"")
        if value and len(value) not in MEMORY_LENGTHS:
            raise CardStatus(0x6A80)
        return int.from_bytes(value, "big")

    def apply(self, entry: RegistryEntry) -> RegistryEntry:
        """``entry`` with the system parameters that are given, and the application provider."""
        quota = self._pair(entry.quota, SystemParameter.VOLATILE_QUOTA, SystemParameter.NON_VOLATILE_QUOTA)
        reserved = self._pair(
            entry.reserved, SystemParameter.VOLATILE_RESERVED, SystemParameter.NON_VOLATILE_RESERVED
        )
        if any(0 < most < least for most, least in zip(quota, reserved, strict=True)):
            raise CardStatus(0x6A80)
        implicit = b"".join(tlv.value for tlv in self.system if tlv.tag == SystemParameter.IMPLICIT_SELECTION)
        restrict = [tlv.value for tlv in self.system if tlv.tag == SystemParameter.RESTRICT]
        if any(len(value) != 1 for value in restrict):
            raise CardStatus(0x6A80)
        return entry.with_(
            quota=quota,
            reserved=reserved,
            implicit=implicit or entry.implicit,
            restrict=restrict[-1][0] if restrict else entry.restrict,
            provider=self.reference.provider or entry.provider,
        )

    def _pair(
        self, known: tuple[int, int], first: SystemParameter, second: SystemParameter
    ) -> tuple[int, int]:
        return (self.memory(first) or known[0], self.memory(second) or known[1])
