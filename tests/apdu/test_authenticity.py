"""Chains of card-verifiable certificates: anchored, consistent, invalid; and the folder of anchors."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tegata.apdu import InputError
from tegata.apdu.authenticity import (
    NO_ANCHORS,
    Anchor,
    Anchors,
    Check,
    Verdict,
    check_chain,
    check_signed,
)
from tegata.apdu.cvc import CardVerifiableCertificate, RsaPublicKey, key_id

ROOT, MIDDLE, LEAF = (key_id(number, "001") for number in ("5000020", "5000023", "5000033"))


@pytest.fixture(scope="module")
def keys() -> dict[bytes, rsa.RSAPrivateKey]:
    return {name: rsa.generate_private_key(65537, 2048) for name in (ROOT, MIDDLE, LEAF)}


def certify(
    issuer: bytes, by: rsa.RSAPrivateKey, subject: bytes, key: rsa.RSAPrivateKey
) -> CardVerifiableCertificate:
    public = RsaPublicKey.of(key.public_key())
    body = issuer + subject + bytes(public)
    return CardVerifiableCertificate(issuer, subject, public, by.sign(body, padding.PKCS1v15(), SHA256()))


def anchors(*pairs: tuple[bytes, rsa.RSAPrivateKey]) -> Anchors:
    return Anchors.of(
        Anchor(f"anchor {name[:7].decode()}", name, RsaPublicKey.of(key.public_key())) for name, key in pairs
    )


def verdict(check: Check) -> tuple[Verdict, str]:
    return check.verdict, check.anchor


def test_a_certificate_under_an_anchor(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    leaf = certify(ROOT, keys[ROOT], LEAF, keys[LEAF])
    found = check_chain("face", leaf, anchors((ROOT, keys[ROOT])))
    assert verdict(found) == (Verdict.ANCHORED, "anchor 5000020")
    assert found.sentence() == "valid to anchor anchor 5000020"
    assert found.to_json() == {"check": "face", "verdict": "anchored", "anchor": "anchor 5000020"}


def test_the_signer_itself_may_be_the_anchor(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    leaf = certify(ROOT, keys[ROOT], LEAF, keys[LEAF])
    found = check_chain("face", leaf, anchors((LEAF, keys[LEAF])))
    assert verdict(found) == (Verdict.ANCHORED, "anchor 5000033")
    other = check_chain("face", leaf, anchors((LEAF, keys[MIDDLE])))
    assert other.verdict is Verdict.INVALID


def test_without_an_anchor_nothing_is_more_than_consistent(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    leaf = certify(ROOT, keys[ROOT], LEAF, keys[LEAF])
    root = certify(ROOT, keys[ROOT], ROOT, keys[ROOT])
    assert check_chain("face", leaf, NO_ANCHORS).verdict is Verdict.CONSISTENT
    # a root that the card brings along is no anchor
    assert check_chain("face", leaf, NO_ANCHORS, [root]).verdict is Verdict.CONSISTENT
    assert check_chain("face", leaf, anchors((MIDDLE, keys[MIDDLE])), [root]).verdict is Verdict.CONSISTENT
    assert check_chain("face", root, NO_ANCHORS).verdict is Verdict.CONSISTENT


def test_over_an_intermediate(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    leaf = certify(MIDDLE, keys[MIDDLE], LEAF, keys[LEAF])
    middle = certify(ROOT, keys[ROOT], MIDDLE, keys[MIDDLE])
    trusted = anchors((ROOT, keys[ROOT]))
    assert check_chain("face", leaf, trusted).verdict is Verdict.CONSISTENT
    assert verdict(check_chain("face", leaf, trusted, [middle])) == (Verdict.ANCHORED, "anchor 5000020")
    stranger = certify(ROOT, keys[ROOT], MIDDLE, keys[ROOT])
    assert check_chain("face", leaf, trusted, [stranger]).verdict is Verdict.INVALID


def test_the_right_names_with_other_keys(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    fake = certify(ROOT, keys[MIDDLE], LEAF, keys[LEAF])
    found = check_chain("face", fake, anchors((ROOT, keys[ROOT])))
    assert found.verdict is Verdict.INVALID
    assert "another key" in found.sentence()
    assert "発行者" in found.sentence("ja")


def test_a_self_signed_certificate_that_is_not_even_that(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    fake = certify(ROOT, keys[MIDDLE], ROOT, keys[ROOT])
    assert check_chain("face", fake, NO_ANCHORS).verdict is Verdict.INVALID


def test_a_ring_of_certificates_ends(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    one = certify(MIDDLE, keys[MIDDLE], LEAF, keys[LEAF])
    two = certify(LEAF, keys[LEAF], MIDDLE, keys[MIDDLE])
    assert check_chain("face", one, NO_ANCHORS, [one, two]).verdict is Verdict.CONSISTENT


def test_data_count_before_the_chain(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    chain = Check("face", Verdict.ANCHORED, "root")
    assert check_signed("face", False, chain).verdict is Verdict.INVALID
    assert verdict(check_signed("face", True, chain)) == (Verdict.ANCHORED, "root")


def test_a_check_is_neither_true_nor_false() -> None:
    with pytest.raises(TypeError, match="four verdicts"):
        bool(Check("face", Verdict.CONSISTENT))


def test_a_folder_of_anchors(tmp_path: Path, keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    pem = keys[ROOT].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = keys[LEAF].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / f"{ROOT.hex()}-face root.pem").write_bytes(pem)
    (tmp_path / f"{LEAF.hex()}.der").write_bytes(der)
    (tmp_path / "visual.cvc").write_bytes(bytes(certify(ROOT, keys[ROOT], MIDDLE, keys[MIDDLE])))
    (tmp_path / "README.txt").write_text("not an anchor")
    loaded = Anchors.load(tmp_path)
    assert {anchor.key_id: anchor.name for anchor in loaded.by_key_id.values()} == {
        ROOT: "face root",
        LEAF: LEAF.hex(),
        MIDDLE: "visual",
    }
    leaf = certify(ROOT, keys[ROOT], LEAF, keys[LEAF])
    assert check_chain("face", leaf, Anchors({ROOT: loaded.by_key_id[ROOT]})).anchor == "face root"


def test_anchors_that_cannot_be_used(tmp_path: Path, keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    pem = keys[ROOT].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    wrong = {
        "root.pem": pem,
        f"{ROOT.hex()}-x.pem": b"-----BEGIN nothing",
        f"{ROOT.hex()}-y.der": elliptic.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "z.cvc": b"\x7f\x21\x00",
    }
    for number, (name, content) in enumerate(wrong.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            Anchors.load(folder)
        assert (caught.value.code, caught.value.details["file"]) == ("mynumber.anchor", name)


def test_one_key_id_with_two_keys(keys: dict[bytes, rsa.RSAPrivateKey]) -> None:
    with pytest.raises(InputError, match="twice"):
        anchors((ROOT, keys[ROOT]), (ROOT, keys[LEAF]))
