"""Readers: the PC/SC driver, and the worker that owns a reader while a card is used.

Floor 2 of the house. Simulated cards are readers too (``sim:FILE``), but live in their own wing.
"""

from .worker import ReaderWorker

__all__ = ["ReaderWorker"]
