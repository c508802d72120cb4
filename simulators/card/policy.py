"""Where one kind of card differs from another: named switches instead of special cases.

Sources: facts on the My Number Card §1, §2.7, §2.8; GPC 2.3.1 §6.4, §11.9.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["CardPolicy"]

MOST_TRIES = 15
SHORT_DATA_MAX = 255


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """The behaviour of a card's OPEN that differs between products.

    ``bare_select_sw``: answer to SELECT by name without a name (0x9000: the issuer security domain is
    selected and its FCI returned). ``reselect_keeps_state``: selecting the current application again keeps
    its CLEAR_ON_DESELECT memory. ``channels``: supplementary logical channels (0: CLA 01… answers 6881).
    ``no_fci_for_p2_0c``: P2 = 0C answers 9000 alone. ``chaining``: ISO command chaining is reassembled.

    Not known for certain of real My Number Cards, and so switches; ``documented`` is what somebody measured.

    * ``verified_query_answers_9000``: an empty VERIFY after a right one; else 63Cx.
    * ``implausible_pin_counts``: a PIN of impossible length spends a try; else 6700.
    * ``failed_verify_clears_status``: a wrong VERIFY ends the verified state of that PIN.
    * ``blocked_pin_sw``: VERIFY of a blocked PIN; 6984 documented, some hosts expect 6983.
    * ``missed_select_keeps_application``: after SELECT of an unknown AID the current application stays; else
      the card manager becomes current.
    * ``no_application_sw``: SELECT of a file while the card manager is current; 6A82 and 6986 documented.
    * ``sign_length_sw``: data of a wrong length to sign; 6985 and 6700 documented.
    * ``short_ids``: short file ids in READ BINARY, VERIFY and signing (documented); else 6A86.
    * ``get_data_in_application_sw``: GET DATA inside an application.
    * ``contact_atr_in_applications``: object 5F51 answers inside applications and not at card level.
    * ``signature_certificate_free``: the signature certificate needs no password (one source against six).
    * ``birth_pin_tries``: tries of the birth date in the visual application; 0: it never blocks (6300).
    * ``other_key_authentication_sw``: INTERNAL AUTHENTICATE with a key that is not for it; 6982 and 6985
      documented.
    * ``terminal_refused_sw``: a terminal certificate (特定機関認証) that does not verify.

    What hosts of GlobalPlatform cards meet in the field (facts on GlobalPlatform §D5, §E):

    * ``put_key_with_length``, ``put_key_without_length``: PUT KEY takes AES keys as ``88 11 10 …``, with the
      key's length inside (Amd D §7.2), and as ``88 10 …`` (GPC 2.3.1 §11.8); most cards take one form alone.
    * ``put_key_torn_set``: PUT KEY writes key by key, so that a tear leaves a mixed set: ENC new, MAC and DEK
      still old.
    * ``extended_key_information``: key information in the extended form, with usage and access.
    * ``key_information``, ``extended_resources``: objects E0 and FF21 can be read.
    * ``empty_data_is_counted``: the encryption counter of SCP03 counts commands without data too (Amd D
      §6.2.6); some cards forget it.
    * ``secured_class_04``: secured commands may come with CLA 04 as well as 84 (GPC 2.3.1 table 11-11).
    * ``le_demanded``, ``le_refused``: a secured command must have an Le, or must have none; else 6700.
    * ``s16_only``: challenges, cryptograms and MACs of SCP03 have 16 bytes, and no others are taken.
    * ``modern_status``: GET STATUS knows the form of P2 = 02; else the older one alone, and 6A86.
    * ``keys_block``: 65 failed handshakes erase a key, and the last one brings the maker's keys back; else
      keys are tried without limit.
    * ``max_command_data``: what domains announce as the longest data field (9F65); other than 255 they hold
      to it, and refuse a longer secured command with 6700.
    * ``load_leaves_garbage``: an interrupted load leaves its package, unusable, until it is deleted.
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
    missed_select_keeps_application: bool = True
    no_application_sw: int = 0x6A82
    sign_length_sw: int = 0x6985
    short_ids: bool = True
    get_data_in_application_sw: int = 0x6A88
    contact_atr_in_applications: bool = False
    signature_certificate_free: bool = False
    birth_pin_tries: int = 10
    other_key_authentication_sw: int = 0x6985
    terminal_refused_sw: int = 0x6A80
    put_key_with_length: bool = True
    put_key_without_length: bool = True
    put_key_torn_set: bool = False
    extended_key_information: bool = False
    key_information: bool = True
    extended_resources: bool = True
    empty_data_is_counted: bool = True
    secured_class_04: bool = True
    le_demanded: bool = False
    le_refused: bool = False
    s16_only: bool = False
    modern_status: bool = True
    keys_block: bool = False
    max_command_data: int = SHORT_DATA_MAX
    load_leaves_garbage: bool = False

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    def with_quirks(self, quirks: Mapping[str, bool | int]) -> CardPolicy:
        """The policy with other switches. Raises ValueError for a name or a value that it does not have."""
        known: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "name"}
        for name, value in quirks.items():
            if name not in known:
                raise ValueError(f"there is no quirk {name}; known are {', '.join(sorted(known))}")
            if isinstance(known[name], bool) != isinstance(value, bool) or not isinstance(value, int):
                kind = "true or false" if isinstance(known[name], bool) else "a number"
                raise ValueError(f"the quirk {name} is {kind}")
            most = 0xFFFF if name.endswith("_sw") or name == "max_command_data" else MOST_TRIES
            if not isinstance(value, bool) and not 0 <= value <= most:
                raise ValueError(f"the quirk {name} is a number from 0 to {most}")
        return replace(self, **{**known, **quirks})

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
