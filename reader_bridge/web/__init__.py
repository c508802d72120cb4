"""What every HTTP service of tegata shares: guards at the entrance, problems, the page shell, the server.

Floor 2 of the house: knows nothing of cards, portals or badges. Defaults are closed: exact Host and
Origin lists, JSON only, no script in pages, nothing cached.
"""

from .guards import Door, Guard
from .pages import Pages, language_of
from .problems import problem, respond
from .server import BackgroundServer, bind

__all__ = ["BackgroundServer", "Door", "Guard", "Pages", "bind", "language_of", "problem", "respond"]
