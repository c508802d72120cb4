"""A small ID application in the free space of a My Number Card: our own model of one.

What issuers' systems really load is not public (AID, commands, keys); this one is specified in
``docs/protocols/free-space-id.md``, so that everything around it can be built and tried out.
"""

from .model import FreeSpaceIdentity

__all__ = ["FreeSpaceIdentity"]
