"""One card operating system for both worlds: My Number Card and GlobalPlatform employee badge.

``step`` is a pure function of non-volatile memory, volatile memory, command and entropy; a
``SimulatedCard`` applies its writes one by one to a store, so that power may be cut at any of them.
"""

from .application import Application, CardStatus, Context, DomainContext
from .device import PowerCut, PowerLost, SimulatedCard
from .journal import FileStore, MemoryStore
from .kernel import Outcome, Write, power_up, step
from .policy import CardPolicy
from .registry import Kind, LifeCycle, Privilege, RegistryEntry

__all__ = [
    "Application",
    "CardPolicy",
    "CardStatus",
    "Context",
    "DomainContext",
    "FileStore",
    "Kind",
    "LifeCycle",
    "MemoryStore",
    "Outcome",
    "PowerCut",
    "PowerLost",
    "Privilege",
    "RegistryEntry",
    "SimulatedCard",
    "Write",
    "power_up",
    "step",
]
