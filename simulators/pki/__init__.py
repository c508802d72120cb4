"""The test hierarchy behind simulated My Number Cards: O=JPKI-TEST, made once per installation."""

from .hierarchy import Authority, Hierarchy, anchors, anchors_pem, hierarchy

__all__ = ["Authority", "Hierarchy", "anchors", "anchors_pem", "hierarchy"]
