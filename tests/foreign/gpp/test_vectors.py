"""The independent host against sessions that others recorded: neither it nor tegata made these bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from .channel import GpRefused
from .crypto import aes_kcv, des_kcv, kdf3
from .host import DEFAULT, GpHost, KeySet

pytestmark = pytest.mark.foreign

PYSIM = tuple(bytes(range(start, start + 16)) for start in (0x00, 0x10, 0x20))


def sized(size: int) -> KeySet:
    """pySim's keys of 24 and 32 bytes are those of 16, repeated."""
    enc, mac, dek = ((key * 2)[:size] for key in PYSIM)
    return enc, mac, dek


@dataclass
class Session:
    """A recorded opening, and commands with their wrapped form."""

    name: str
    keys: KeySet
    level: int
    challenge: str
    answer: str
    authenticate: str
    exchanges: tuple[tuple[str, str, str], ...] = ()
    """Plain command, wrapped command without Le, and the card's answer with its status word, if any."""


SESSIONS = (
    Session(
        "pySim SCP02 C-MAC",
        (
            bytes.fromhex("100102030405060708090a0b0c0d0e0f"),
            bytes.fromhex("101102030405060708090a0b0c0d0e0f"),
            bytes.fromhex("102102030405060708090a0b0c0d0e0f"),
        ),
        0x01,
        "40A62C37FA6304F8",
        "00000000000000000000700200016B4524ABEE7CF32EA3838BC148F3",
        "8482010010BA6961667737C5BCEBECE14C7D6A4376",
        (
            ("80F22002", "84F220020814DB34FA4341DCA8", ""),
            ("80CA0066", "84CA00660855ED7C5FF069512B", ""),
            (
                "80F220020A4F0212345C054F9F70C5",
                "84F22002124F0212345C054F9F70C58FC1B380C4228AF8",
                "",
            ),
            ("80F28002024F00", "84F280020A4F003B95F09317DE6A4E", ""),
        ),
    ),
    Session(
        "kaoh SCP02 C-MAC",
        (DEFAULT, DEFAULT, DEFAULT),
        0x01,
        "D5AD539A60CA5E72",
        "000074746E6E6E6262620102069FAA2A0591E73367DD78794D04315E",
        "84820100107C799B3C771DBAE6BEF49310977617BA",
    ),
    Session(
        "GlobalPlatformPro issue 218, SCP02 R-MAC",
        (DEFAULT, DEFAULT, DEFAULT),
        0x13,
        "4261A2F44EEC57EB",
        "0000728314662294396620020046A58399EA65DDB9E2781A25689C71",
        "8482130010FAE81DD218F60A30A0F03ED2002B63B2",
        (
            (
                "80E610002010A00000000053594E4A4F4E4553535344000A53594E4A4F4E45530000000000",
                "",
                "006DFCFE5065740D309000",
            ),
        ),
    ),
    Session(
        "pySim SCP03 AES-128 C-MAC and R-MAC",
        sized(16),
        0x11,
        "B13E5F938FC108C4",
        "000000000000000000003003703EB51047495B249F66C484C1D2EF1948000002",
        "84821100107D5F5826A993EBC89EEA24957FA0B3CE",
        (
            (
                "80E2910006BF3E035C015A",
                "84E291000EBF3E035C015A558D036518A28297",
                "BF3E125A1089882119900000000000000000000005971BE68992DBBDFA9000",
            ),
        ),
    ),
    Session(
        "pySim SCP03 AES-128, level 33",
        sized(16),
        0x33,
        "FDF38259A1E0DE44",
        "000000000000000000003003703B1ACA81E821F219081CDC01C26B372D000003",
        "84823300108C36F96BCC00724A4E13AD591D7DA3F0",
        (
            (
                "80E2910006BF3E035C015A",
                "84E2910018267A85DFE4A98FCA6FB0527E0DFECCE4914E40401433C87F",
                "F3BA2B1013AA6224F5E1C138D71805C569E5439B47576260B75FC021B25097CB2E68F8A0144975B99000",
            ),
        ),
    ),
    Session(
        "pySim SCP03 AES-192, level 33",
        sized(24),
        0x33,
        "9B3F2EEF0E8C9374",
        "00000000000000000000310370F6BB305A15BAE1A68F79FB08212FBED7000002",
        "84823300109100BC22D58B45B86A26365CE39FF3CF",
        (
            (
                "80E2910006BF3E035C015A",
                "84E29100188F7F946C84F70D17994BC6E8791251BB1BB1BF02CF8DE589",
                "C05176C1B6F72AAE50C32CBEE63B0E95998928FD4DFB2BE9F27FFDE8C8476F5909B4805CC40395999000",
            ),
        ),
    ),
    Session(
        "pySim SCP03 AES-256, level 33",
        sized(32),
        0x33,
        "97B2055FE58599FD",
        "00000000000000000000320370A8439A22CEDF045FA9F1903B2834F26E000002",
        "8482330010508A0FD959D2E547C6B33154A6BE2057",
        (
            (
                "80E2910006BF3E035C015A",
                "84E29100187A5EF717EAF1E135AE92FE54429D0E465DECDA65F5FE5AEA",
                "EA90DBFA648A67C5EB6ABC57F8530B97D0CD5647C5E8732016B55203B078DD2ACE7F8BC5D1C1CD999000",
            ),
        ),
    ),
)


def opened(session: Session) -> tuple[GpHost, bytes]:
    """The host after INITIALIZE UPDATE, and its EXTERNAL AUTHENTICATE."""
    host = GpHost(lambda _: bytes.fromhex(session.answer + "9000"), session.keys)
    host.initialize_update(challenge=bytes.fromhex(session.challenge))
    assert host.channel is not None
    assert host.channel.proved
    return host, host.channel.authenticate(session.level)


def parsed(command: str) -> tuple[int, int, int, int, bytes]:
    raw = bytes.fromhex(command)
    cla, ins, p1, p2 = raw[:4]
    return cla, ins, p1, p2, raw[5:]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.name)
def test_recorded_sessions(session: Session) -> None:
    host, authenticate = opened(session)
    assert authenticate == bytes.fromhex(session.authenticate + "00")
    for plain, wrapped, answer in session.exchanges:
        command = host.secure(*parsed(plain), le=False)
        if wrapped:
            assert command.hex() == wrapped.lower()
        if answer:
            assert host.channel is not None
            assert host.channel.unwrap(bytes.fromhex(answer))[1] == 0x9000


def broken() -> Iterator[tuple[Session, int]]:
    """Every byte of every recorded answer that carries an R-MAC."""
    for session in SESSIONS:
        for _, _, answer in session.exchanges:
            for at in range(len(answer) // 2 - 2):
                if answer and session.level & 0x10:
                    yield session, at


def test_no_changed_byte_of_an_answer_passes() -> None:
    seen = 0
    for session, at in broken():
        host, _ = opened(session)
        plain, _, answer = session.exchanges[0]
        raw = bytearray.fromhex(answer)
        raw[at] ^= 0x01
        host.secure(*parsed(plain))
        assert host.channel is not None
        with pytest.raises(GpRefused, match="R-MAC"):
            host.channel.unwrap(bytes(raw))
        seen += 1
    assert seen > 100


def test_check_values_and_the_derivation_of_keys() -> None:
    assert aes_kcv(DEFAULT).hex() == "504a77"
    assert des_kcv(DEFAULT).hex() == "8baf47"
    made = [kdf3(DEFAULT, number, bytes(range(10))).hex() for number in (1, 2, 3)]
    assert made == [
        "808bc985a1069ad2a9ac94e0fe7b8843",
        "65942e0bf4f3f32aefacba5671456275",
        "6a74f6f6040cca10d8a3fdc7914fd7cc",
    ]
