"""The applet manager: verbs on any GlobalPlatform card, planned before they act (design §2, §5).

``session`` knows the card and opens its channel, ``access`` names the keys, ``steps`` carries out what
``content``, ``keys`` and ``life`` define, ``custody`` is the port to a ledger, ``recovery`` reads what an
interrupted run left, ``verbs`` ties them together.
"""

from .access import LEVELS, Access, CardTold, Certified, KeySource, Masters, NewKeys
from .custody import OFF_THE_RECORD, Custody, Intent, Pending
from .session import Consequence, Session, printable
from .steps import Outcome, Report, State, Step
from .verbs import Change, Look, Verb, perform

__all__ = [
    "LEVELS",
    "OFF_THE_RECORD",
    "Access",
    "CardTold",
    "Certified",
    "Change",
    "Consequence",
    "Custody",
    "Intent",
    "KeySource",
    "Look",
    "Masters",
    "NewKeys",
    "Outcome",
    "Pending",
    "Report",
    "Session",
    "State",
    "Step",
    "Verb",
    "perform",
    "printable",
]
