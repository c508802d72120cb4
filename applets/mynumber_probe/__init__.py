"""Asking a My Number Card what it can do, without a PIN and without personal data.

For people with a real card: what it answers settles what is not known about such cards. Nothing is written,
no PIN is presented, and what is recorded is status words, lengths and a few bytes that many cards share.
"""

from .plan import Step, plan
from .probe import FORMAT, probe

__all__ = ["FORMAT", "Step", "plan", "probe"]
