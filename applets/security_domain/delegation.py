"""By what right a card is changed: tokens go in, receipts come out (GPC 2.3.1 §9.1.3, §11.1.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...apdu.errors import CardError, MalformedResponse
from .model.receipts import Receipt
from .model.requests import Request
from .model.signatures import Signer, VerifyingKey
from .model.tokens import ControlReference

__all__ = ["Authority", "CheckedReceipt", "ready_token"]


@dataclass(frozen=True, slots=True)
class Authority:
    """Makes tokens and checks receipts.

    ``token`` signs for whoever may delegate; None: the channel's own right is enough. ``reference`` binds the
    token and goes into the command. ``receipt_key`` checks receipts; None: they are shown, not checked.
    """

    token: Signer | None = field(default=None, repr=False)
    reference: ControlReference | None = None
    receipt_key: VerifyingKey | None = field(default=None, repr=False)

    def token_for(self, request: Request) -> bytes:
        """The token of ``request``, empty when this authority makes none."""
        return b"" if self.token is None else self.token(request.token_input)

    def check(self, answer: bytes, request: Request) -> CheckedReceipt | None:
        """The receipt in the answer to ``request``, None when the card gave none.

        Raises MalformedResponse for an answer that is no receipt, CardError ``gp.receipt`` for a receipt that
        the key did not make or that is for something else.
        """
        try:
            receipt = Receipt.parse(answer, numbered=request.numbered)
        except ValueError as error:
            raise MalformedResponse(str(error), "receipt") from None
        if receipt is None:
            return None
        if self.receipt_key is None:
            return CheckedReceipt(receipt, None)
        if not receipt.verify(self.receipt_key, request.context):
            raise CardError("gp.receipt", counter=receipt.confirmation.counter)
        return CheckedReceipt(receipt, True)


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A card's receipt; ``verified`` is None when no key to check it with was given."""

    receipt: Receipt
    verified: bool | None

    def to_json(self) -> dict[str, object]:
        """Plain values, bytes as hex."""
        return {**self.receipt.to_json(), "verified": self.verified}


def ready_token(token: bytes) -> Callable[[bytes], bytes]:
    """A signer that hands out one token made elsewhere, once.

    Raises CardError ``gp.token_used`` when a second command asks for one.
    """
    tokens = [token]

    def sign(_: bytes) -> bytes:
        if not tokens:
            raise CardError("gp.token_used")
        return tokens.pop()

    return sign
