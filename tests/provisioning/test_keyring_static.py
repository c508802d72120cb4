"""Keys that a person brings along, alone and beside a ring."""

from pathlib import Path

import pytest

from tegata.apdu import InputError, Response, Secret
from tegata.apdu.ports import ChannelDek, KeyRef, KeyRing, KeySet, open_keyring
from tegata.apdu.scp import initialize_update, recognise
from tegata.provisioning.keyring import FileKeyRing, JoinedKeyRing, StaticKeyRing

GP = "404142434445464748494A4B4C4D4E4F"
KDD = bytes(range(10))
HOST, CARD = bytes.fromhex("A7F76C713F0A713D"), bytes.fromhex("31900058C1C451A2")


def key_file(folder: Path, text: str, name: str = "keys.toml", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def refs(ring: KeyRing, master: str, scheme: str = "fixed", algorithm: str = "aes") -> list[KeyRef]:
    return [
        ring.refer(
            master,
            scheme=scheme,
            diversification=b"" if scheme == "fixed" else KDD,
            version=1,
            usage=usage,
            algorithm=algorithm,
        )
        for usage in ("enc", "mac", "dek")
    ]


def test_the_well_known_keys_as_they_are_and_as_a_master() -> None:
    ring = open_keyring("static:default")
    enc, mac, _ = refs(ring, "default")
    keys = ring.session(enc, mac, host_challenge=HOST, card_challenge=CARD)
    assert keys.enc.reveal().hex() == "258a78866f41482bef482dc8ca976ccd"
    assert [ref.kcv for ref in refs(ring, "default", algorithm="3des")] == ["8BAF47"] * 3
    for scheme, algorithm, kcvs in [
        ("emv-cps-1.1", "3des", ["C33013", "6F4CA6", "BB8179"]),
        ("visa2", "3des", ["2BE598", "58DA38", "3C328E"]),
        ("kdf3", "aes", ["E79C05", "D1BD77", "3FDE8C"]),
    ]:
        assert [ref.kcv for ref in refs(ring, "default", scheme, algorithm)] == kcvs


def test_three_keys_of_a_file(tmp_path: Path) -> None:
    """The check values of pySim's keys ENC 00…0F, MAC 10…1F, DEK 20…2F."""
    text = "".join(f'{usage} = "{bytes(range(at, at + 16)).hex()}"\n' for usage, at in
                   (("enc", 0), ("mac", 16), ("dek", 32)))  # fmt: skip
    ring = StaticKeyRing.from_file(key_file(tmp_path, text, "card 7.toml"))
    assert (ring.label, ring.length, ring.scheme) == ("card-7", 16, "fixed")
    assert [ref.kcv for ref in refs(ring, "card-7")] == ["C35280", "013808", "840DE5"]
    assert "0001" not in repr(ring)
    with pytest.raises(InputError) as caught:
        refs(ring, "card-7", "kdf3")
    assert caught.value.code == "keyring.reference"
    ring.close()
    with pytest.raises(ValueError):
        ring.kcv(refs(ring, "card-7")[0])


def test_one_key_in_hex_and_a_master_with_its_scheme(tmp_path: Path) -> None:
    ring = StaticKeyRing.from_file(key_file(tmp_path, f"{GP[:16]} {GP[16:]}\n"))
    assert {ref.kcv for ref in refs(ring, "keys")} == {"504A77"}
    ring = StaticKeyRing.from_file(key_file(tmp_path, f'key = "{GP}"\nscheme = "visa2"\n'))
    assert [ref.kcv for ref in refs(ring, "keys", "visa2", "3des")] == ["2BE598", "58DA38", "3C328E"]
    for scheme in ("fixed", "kdf3"):
        with pytest.raises(InputError) as caught:
            refs(ring, "keys", scheme)
        assert caught.value.code == "keyring.reference"
    ring = StaticKeyRing.from_file(key_file(tmp_path, f'key = "{GP}"\nalgorithm = "3des"\n'))
    assert refs(ring, "keys", algorithm="3des")[0].kcv == "8BAF47"
    with pytest.raises(InputError):
        refs(ring, "keys")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("404142", "16, 24, 32 bytes"),
        ("secret", "neither hex nor TOML"),
        (f'key = "{GP}"\nenc = "{GP}"', "has key"),
        (f'enc = "{GP}"\nmac = "{GP}"', "has key"),
        (f'enc = "{GP}"\nmac = "{GP}"\ndek = "{GP}{GP}"', "differ in length"),
        (f'key = "{GP}"\nscheme = "rot13"', "unknown"),
        (f'key = "{GP}{GP}"\nscheme = "visa2"', "16, 24 bytes"),
        (f'enc = "{GP}"\nmac = "{GP}"\ndek = "{GP}"\nscheme = "kdf3"', "has key"),
        ("key = 7", "16, 24, 32 bytes"),
        ("", "has key"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        StaticKeyRing.from_file(key_file(tmp_path, text))
    assert caught.value.code == "keyring.key_file"
    assert GP not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_others_can_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="others can read it"):
        StaticKeyRing.from_file(key_file(tmp_path, GP, mode=0o640))
    with pytest.raises(InputError, match="no such file"):
        open_keyring(f"static:{tmp_path / 'nowhere'}")


def test_a_card_leaves_the_given_keys_for_those_of_a_ring(tmp_path: Path, passphrase: Secret) -> None:
    """What goes under a DEK of the file is what the ring itself would send under the same DEK."""
    file = FileKeyRing.create(tmp_path / "ring.json", passphrase, name="desk")
    file.import_master("badges", Secret(bytes(range(32))))
    joined = JoinedKeyRing(file, StaticKeyRing.from_file(key_file(tmp_path, GP)))
    given, new = refs(joined, "keys"), refs(joined, "badges", "sp800-108-cmac")
    assert {ref.ring for ref in given + new} == {"static", "desk"}
    own = refs(file, "gp-default")
    assert joined.wrap_for_put_key(given[2], new[0]) == file.wrap_for_put_key(own[2], new[0])
    des = refs(joined, "keys", algorithm="3des")[2]
    own_des = refs(file, "gp-default", algorithm="3des")[2]
    for cbc in (False, True):
        channel = ChannelDek(static=des, sequence=b"\x00\x07", cbc=cbc)
        own_channel = ChannelDek(static=own_des, sequence=b"\x00\x07", cbc=cbc)
        assert joined.wrap_for_put_key(channel, new[1]) == file.wrap_for_put_key(own_channel, new[1])
    pin = joined.refer(
        "badges", scheme="sp800-108-cmac", diversification=KDD, version=1, usage="piv-pin", length=6
    )
    assert joined.encrypt_dgi(given[2], pin) == file.encrypt_dgi(own[2], pin)
    assert joined.encrypt_dgi_value(given[2], joined.reveal_pin(pin)) == file.encrypt_dgi(own[2], pin)
    assert joined.kcv(given[0]) == bytes.fromhex("504A77")
    # And back: the ring's DEK does not leave it, but encrypts the given key, which is in memory anyway.
    same = file.wrap_for_put_key(refs(file, "badges", "sp800-108-cmac")[2], own[0])
    assert joined.wrap_for_put_key(new[2], given[0]) == same
    assert joined.encrypt_dgi(new[2], given[0]) == same
    ring_des = refs(file, "badges", "sp800-108-cmac", algorithm="3des")[2]
    for cbc in (False, True):
        channel = ChannelDek(static=ring_des, sequence=b"\x00\x07", cbc=cbc)
        assert joined.wrap_for_put_key(channel, des) == file.wrap_for_put_key(channel, own_des)
    with pytest.raises(InputError):
        joined.session(given[0], new[1], host_challenge=HOST, card_challenge=CARD)


def test_every_ring_knows_what_everybody_knows(tmp_path: Path, passphrase: Secret) -> None:
    ring = FileKeyRing.create(tmp_path / "ring.json", passphrase)
    assert refs(ring, "gp-default")[0].kcv == "504A77"
    with pytest.raises(InputError) as caught:
        refs(ring, "gp-default", "kdf3")
    assert caught.value.code == "keyring.master"


@pytest.mark.parametrize("joined", [False, True])
def test_the_card_challenge_of_a_recorded_session(tmp_path: Path, joined: bool) -> None:
    """A real card (kaoh's scp03Test.c), through the handshake that compares it: a set whose ENC is another's
    foretells nothing, whatever its MAC proves."""
    text = "".join(f'{usage} = "{value}"\n' for usage, value in
                   (("enc", "F995D0A069335C7DF42E590317FFEA6D"), ("mac", "58563362EC5A4541ABCD32B34B1EAE7D"),
                    ("dek", "0A02A6D687406DCFA09DC70B3EDB7E38")))  # fmt: skip
    given = StaticKeyRing.from_file(key_file(tmp_path, text, "card.toml"))
    ring: KeyRing = given
    if joined:
        desk = FileKeyRing.create(tmp_path / "ring.json", Secret(b"correct horse battery"), name="desk")
        ring = JoinedKeyRing(desk, given)
    answer = bytes.fromhex("00000000000000000000300370C40932A6FEFEAEB2E127185170F45FCA000015")
    challenge = bytes.fromhex("B2BDE1A2DC66BD56")
    handshake = initialize_update(lambda _: Response(answer), host_challenge=challenge)
    enc, mac, dek = refs(ring, "card")
    keys = KeySet(0x30, enc, mac, dek)
    aid = bytes.fromhex("A000000151000000")
    assert handshake.matches(ring, keys)
    assert handshake.foretold(ring, keys, aid)
    assert not handshake.foretold(ring, keys, aid[:-1])
    other = StaticKeyRing.from_file(key_file(tmp_path, text.replace("F995", "F996"), "mixed.toml"))
    mixed = KeySet(0x30, *refs(other, "mixed"))
    assert handshake.matches(other, mixed)
    assert not handshake.foretold(other, mixed, aid)
    assert recognise(handshake, other, [mixed], aid) == mixed
