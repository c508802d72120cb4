"""Values of STORE DATA encrypted for the card, opened again by OpenSSL."""

from __future__ import annotations

import pytest

from tegata.apdu import Secret
from tegata.apdu.errors import InputError
from tegata.apdu.ports import ChannelDek, KeySet
from tegata.applets.security_domain.personalization import Encryption, Structure
from tegata.applets.security_domain.sealing import Padding, Sealing
from tegata.provisioning.keyring import FileKeyRing

from .conftest import key_set
from .test_tokens import openssl

DEK = bytes(range(0x40, 0x50)).hex()
SIXTEEN = "00112233445566778899AABBCCDDEEFF"


def opened(cryptogram: str) -> str:
    """SCP03: AES-CBC, no IV, under the static K-DEK 40…4F."""
    return openssl(
        "enc", "-d", "-aes-128-cbc", "-nopad", "-K", DEK, "-iv", "0" * 32, data=bytes.fromhex(cryptogram)
    ).hex().upper()  # fmt: skip


@pytest.fixture
def dek(factory: KeySet) -> ChannelDek:
    return ChannelDek(static=factory.dek)


def seal(sealing: Sealing, data: str, structure: Structure, ring: FileKeyRing, dek: ChannelDek) -> str:
    sealing.check(Secret(bytes.fromhex(data)), structure)
    return sealing.seal(Secret(bytes.fromhex(data)), structure, ring, dek).hex().upper()


@pytest.mark.parametrize(
    ("padding", "plain", "inside"),
    [
        (Padding.NEVER, SIXTEEN, SIXTEEN),
        (Padding.NEEDED, SIXTEEN, SIXTEEN),
        (Padding.NEEDED, "0102", "010280" + "00" * 13),
        (Padding.ALWAYS, SIXTEEN, SIXTEEN + "80" + "00" * 15),
        (Padding.ALWAYS, "0102", "010280" + "00" * 13),
    ],
)
def test_raw_data_whole(
    ring: FileKeyRing, dek: ChannelDek, padding: Padding, plain: str, inside: str
) -> None:
    sealing = Sealing(padding=padding)
    assert opened(seal(sealing, plain, Structure.NONE, ring, dek)) == inside
    assert sealing.encryption is Encryption.ALL


def test_values_of_data_objects(ring: FileKeyRing, dek: ChannelDek) -> None:
    """Tags stay, lengths are those of the cryptograms."""
    data = "4203010203" + "9F7010" + SIXTEEN
    whole = seal(Sealing(padding=Padding.NEEDED), data, Structure.BER_TLV, ring, dek)
    assert (whole[:4], whole[36:42]) == ("4210", "9F7010")
    assert opened(whole[4:36]) == "01020380" + "00" * 12
    assert opened(whole[42:]) == SIXTEEN
    one = Sealing(frozenset((0x9F70,)))
    assert seal(one, data, Structure.BER_TLV, ring, dek) == "4203010203" + "9F7010" + whole[42:]
    assert one.encryption is Encryption.APPLICATION_DEPENDENT


def test_values_of_data_groupings(ring: FileKeyRing, dek: ChannelDek) -> None:
    data = "00700101" + "8010FF0100" + "11" * 256
    sealed = seal(Sealing(frozenset((0x8010,))), data, Structure.DGI, ring, dek)
    assert sealed[:18] == data[:18]
    assert opened(sealed[18:]) == "11" * 256


def test_blocks_of_the_channel_decide(ring: FileKeyRing) -> None:
    """8 bytes are a block of SCP02 and none of SCP03."""
    keys = key_set(ring, "gp-default", 0x01, scheme="fixed", algorithm="3des")
    scp02, scp03 = ChannelDek(static=keys.dek, sequence=b"\x00\x01"), ChannelDek(static=keys.dek)
    assert (scp02.block, scp03.block) == (8, 16)
    assert len(seal(Sealing(), "0011223344556677", Structure.NONE, ring, scp02)) == 16
    with pytest.raises(InputError) as caught:
        seal(Sealing(), "0011223344556677", Structure.NONE, ring, scp03)
    assert caught.value.code == "gp.store_data"
