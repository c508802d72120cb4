"""The transaction core of the bridge, and its doors for portals: pushed and carried requests.

Floor 3b of the house. A portal's signed request becomes a transaction; the holder consents and types the
PIN on a page of the bridge itself; the card signs; the result is verified and leaves by the way it came.
"""

from .app import Bridge, BridgeOptions
from .auto import Persona
from .identity import Identity
from .portals import Portal, Portals, Standing
from .rehearsal import Rehearsal, rehearse
from .states import State

__all__ = [
    "Bridge",
    "BridgeOptions",
    "Identity",
    "Persona",
    "Portal",
    "Portals",
    "Rehearsal",
    "Standing",
    "State",
    "rehearse",
]
