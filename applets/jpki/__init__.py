"""The JPKI application (公的個人認証 AP) of the My Number Card: two keys, two PINs, four certificates.

No official specification is public; what stands here follows behaviour that several open clients agree on.
"""

from .model import JpkiKey, TokenInfo

__all__ = ["JpkiKey", "TokenInfo"]
