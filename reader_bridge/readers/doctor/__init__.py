"""The doctor: why a reader does not work, and the one thing to do. It reads and asks; it changes nothing."""

from .examination import Doctor
from .finding import Finding, Severity, next_step
from .service import Service, ask_service
from .system import System

__all__ = ["Doctor", "Finding", "Service", "Severity", "System", "ask_service", "next_step"]
