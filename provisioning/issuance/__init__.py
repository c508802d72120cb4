"""From order line to working badge: plan, apply, verify, bind (design: declarative provisioning).

``plan`` reads the card and says what is missing; ``apply`` does it; doing it again changes nothing. Recovery
after a torn card, a killed process or a lost station is the same operation: read the card, plan, finish.
"""

from .apply import Outcome, apply
from .bind import bind, subject_of
from .contact import Contact
from .door import DoorAnswer, read_at_door
from .plan import Plan, make_plan
from .steps import STEPS, Step
from .verify import Check, verify
from .work import Desk, Work, begin_work

__all__ = [
    "STEPS",
    "Check",
    "Contact",
    "Desk",
    "DoorAnswer",
    "Outcome",
    "Plan",
    "Step",
    "Work",
    "apply",
    "begin_work",
    "bind",
    "make_plan",
    "read_at_door",
    "subject_of",
    "verify",
]
