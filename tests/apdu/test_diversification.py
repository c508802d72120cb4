"""Key diversification against keys that others computed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tegata.apdu import Secret, des
from tegata.apdu.diversification import SCHEMES, diversify
from tegata.apdu.scp03 import key_check_value

VECTORS = tomllib.loads(
    (Path(__file__).parent / "vectors" / "diversification.toml").read_text(encoding="utf-8")
)["keys"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["source"] for vector in VECTORS])
def test_keys_of_others(vector: dict[str, Any]) -> None:
    master, kdd = bytes.fromhex(vector["master"]), bytes.fromhex(vector["kdd"])
    length = len(master) if vector["scheme"] == "kdf3" else 16
    made = [diversify(vector["scheme"], master, kdd, kid, length) for kid in (1, 2, 3)]
    expected = vector.get("keys", [])
    assert [key.hex() for key in made[: len(expected)]] == [key.lower() for key in expected]
    if "kcvs" in vector:
        check_value = key_check_value if vector["scheme"] == "kdf3" else des.key_check_value
        assert [check_value(Secret(key)).hex().upper() for key in made] == vector["kcvs"]


def test_every_scheme_has_a_vector() -> None:
    assert {vector["scheme"] for vector in VECTORS} == set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_three_keys_differ_and_follow_the_card(scheme: str) -> None:
    master = bytes(range(0x40, 0x50))
    one, other = bytes(range(10)), bytes(range(1, 11))
    made = {diversify(scheme, master, kdd, kid, 16) for kdd in (one, other) for kid in (1, 2, 3)}
    assert len(made) == 6


def test_a_master_of_three_des_keys_is_not_cut() -> None:
    two, kdd = bytes(range(0x40, 0x50)), bytes(10)
    assert diversify("visa2", two + two[:8], kdd, 1, 16) == diversify("visa2", two, kdd, 1, 16)
    assert diversify("visa2", two + bytes(8), kdd, 1, 16) != diversify("visa2", two, kdd, 1, 16)


@pytest.mark.parametrize(
    ("scheme", "master", "kdd", "kid", "length"),
    [
        ("visa3", 16, 10, 1, 16),
        ("visa", 32, 10, 1, 16),
        ("visa2", 16, 10, 1, 24),
        ("emv-cps-1.1", 8, 10, 1, 16),
        ("kdf3", 16, 9, 1, 16),
        ("kdf3", 16, 10, 0, 16),
        ("kdf3", 16, 10, 4, 16),
        ("kdf3", 16, 10, 1, 48),
        ("kdf3", 8, 10, 1, 16),
    ],
)
def test_what_a_scheme_does_not_have_is_refused(
    scheme: str, master: int, kdd: int, kid: int, length: int
) -> None:
    with pytest.raises(ValueError):
        diversify(scheme, bytes(master), bytes(kdd), kid, length)
