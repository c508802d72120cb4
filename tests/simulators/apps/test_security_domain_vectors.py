"""Sessions of real cards, logged by others, replayed to the simulated domain byte by byte.

Source: kaoh/globalplatform, globalplatform/src/scp03Test.c (issuer domain A000000151000000, pseudo-random
card challenge). With their keys and counter our card must answer as theirs did, and accept their host.
"""

from dataclasses import dataclass

import pytest

from tegata.applets.security_domain import model
from tegata.simulators.apps.security_domain.keystore import ORDER, set_record
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.presets import memory


@dataclass(frozen=True)
class Session:
    keys: tuple[str, str, str]
    version: int
    sequence: int
    host_challenge: str
    card_challenge: str
    card_cryptogram: str
    external_authenticate: str


THREE_KEYS = (
    "F995D0A069335C7DF42E590317FFEA6D",
    "58563362EC5A4541ABCD32B34B1EAE7D",
    "0A02A6D687406DCFA09DC70B3EDB7E38",
)
AES_192 = 3 * ("DE2A3629CBC24E8D8869E82C8B4C0D874D88166B6F8A1C12",)

SESSIONS = [
    Session(
        THREE_KEYS,
        0x30,
        0x15,
        "B2BDE1A2DC66BD56",
        "C40932A6FEFEAEB2",
        "E127185170F45FCA",
        "848203001059D54D932423D29F6313C970875F8C2F",
    ),
    Session(
        THREE_KEYS,
        0x30,
        0x1E,
        "9BD6BF878FB8E991",
        "3C80C2CC87EB3A35",
        "E4EDBA35E629C336",
        "848203001023EBFEDC579D22CDCDB6A25A5FF7891F",
    ),
    Session(
        THREE_KEYS,
        0x30,
        0x85,
        "DA2390D378D94B0A",
        "A7EFE2BFDB3A27A6",
        "EAE3FF0EA0D17524",
        "8482030010953EEC5B4A81BF393ADC2ADFD638827A",
    ),
    Session(
        AES_192,
        0x02,
        0x12,
        "4157115CAD7D2FE7",
        "726B1E22EED4F4BB",
        "AB21001BFD4B6F02",
        "84820300109B126D1B1557297F3C06766CA9ACBD27",
    ),
]


def card_of(session: Session) -> SimulatedCard:
    content = memory("company-card", 7)
    own = f"app/{model.AID.hex()}/"
    content[own + ORDER] = bytes((session.version,))
    content[own + f"key/{session.version:02x}"] = set_record(*(bytes.fromhex(key) for key in session.keys))
    content[own + f"sequence/{session.version:02x}"] = (session.sequence - 1).to_bytes(3, "big")
    card = SimulatedCard(MemoryStore(content), contactless=False)
    card.power_up()
    return card


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: f"{session.sequence:02X}")
def test_the_card_answers_as_theirs_and_accepts_their_host(session: Session) -> None:
    card = card_of(session)
    command = bytes((0x80, 0x50, session.version, 0, 8)) + bytes.fromhex(session.host_challenge) + b"\0"
    answer = card.transmit(command).hex().upper()
    expected = f"{session.version:02X}0370{session.card_challenge}{session.card_cryptogram}"
    assert answer[20:] == f"{expected}{session.sequence:06X}9000"
    assert card.transmit(bytes.fromhex(session.external_authenticate)).hex() == "9000"


def test_their_encrypted_delete_is_understood() -> None:
    session = SESSIONS[0]
    card = card_of(session)
    card.transmit(bytes((0x80, 0x50, 0, 0, 8)) + bytes.fromhex(session.host_challenge) + b"\0")
    card.transmit(bytes.fromhex(session.external_authenticate))
    # 80 E4 00 80 with 4F 08 A00100015141434C, encrypted under level 03: this card has no such package.
    command = "84E400801829F06AEC3180B3EFE91FF662310B945DE0D5FE66AD67A5B6"
    assert card.transmit(bytes.fromhex(command)).hex() == "6a88"
    # The same again is a replay, which ends the channel.
    assert card.transmit(bytes.fromhex(command)).hex() == "6982"
