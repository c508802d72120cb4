"""Where one kind of card differs from another: named switches instead of special cases.

Sources: facts on the My Number Card §1, §2.7, §2.8; GPC 2.3.1 §6.4, §11.9.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

__all__ = ["CardPolicy"]


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """The behaviour of a card's OPEN that differs between products.

    ``bare_select_sw``: answer to SELECT by name without a name (0x9000: the issuer security domain is
    selected and its FCI returned). ``reselect_keeps_state``: selecting the current application again keeps
    its CLEAR_ON_DESELECT memory. ``channels``: supplementary logical channels (0: CLA 01… answers 6881).
    ``no_fci_for_p2_0c``: P2 = 0C answers 9000 alone. ``chaining``: ISO command chaining is reassembled.

    Not known of real My Number Cards, and so switches of its PINs: ``verified_query_answers_9000`` (an empty
    VERIFY after a right one; else 63Cx), ``implausible_pin_counts`` (a PIN of impossible length spends a try;
    else 6700), ``failed_verify_clears_status``, ``blocked_pin_sw`` (6984 measured; some hosts expect 6983).
    """

    name: str = "globalplatform"
    bare_select_sw: int = 0x9000
    reselect_keeps_state: bool = False
    channels: int = 3
    no_fci_for_p2_0c: bool = True
    chaining: bool = True
    extended_length: bool = True
    verified_query_answers_9000: bool = False
    implausible_pin_counts: bool = False
    failed_verify_clears_status: bool = True
    blocked_pin_sw: int = 0x6984

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> CardPolicy:
        return cls(**json.loads(raw))


GLOBALPLATFORM = CardPolicy()
MY_NUMBER_CARD = CardPolicy(
    name="my-number-card",
    bare_select_sw=0x6A86,
    reselect_keeps_state=True,
    channels=0,
    chaining=True,
)
