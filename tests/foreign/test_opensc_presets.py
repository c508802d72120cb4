"""Cards that differ as real ones do, in OpenSC's eyes: a child's, a locked one, a phone's."""

from __future__ import annotations

import re
import subprocess

import pytest

from .harness import TEGATA, OrdinaryUser

pytestmark = pytest.mark.foreign


def sim_run(user: OrdinaryUser, preset: str, *program: str) -> subprocess.CompletedProcess[str]:
    return user.run([*TEGATA, "sim", "run", preset, "--", *program])


@pytest.mark.parametrize(
    ("preset", "tries"),
    [
        ("my-number-card-child", [3, 0]),
        ("my-number-card-locked", [3, 0]),
        ("my-number-card-without-pin", [0, 0]),
        ("my-number-card-foreign-resident", [3, 5]),
        ("my-number-card-with-licence", [3, 5]),
        ("jpki-android", [3, 5]),
        ("jpki-iphone", [3, 5]),
    ],
)
def test_opensc_recognises_the_card_and_its_tries(user: OrdinaryUser, preset: str, tries: list[int]) -> None:
    done = sim_run(user, preset, "pkcs15-tool", "--list-pins")
    assert done.returncode == 0, done.stderr
    assert [int(found) for found in re.findall(r"Tries left\s*: (\d+)", done.stdout)] == tries


@pytest.mark.parametrize("preset", ["my-number-card-child", "my-number-card-locked"])
def test_a_blocked_password_is_not_usable(user: OrdinaryUser, preset: str) -> None:
    read = ("--read-certificate", "02", "--verify-pin", "--auth-id", "02", "--pin", "ABC123")
    done = sim_run(user, preset, "pkcs15-tool", *read)
    assert done.returncode != 0
    assert "BEGIN CERTIFICATE" not in done.stdout
    assert re.search("blocked|not usable", done.stderr + done.stdout), done.stderr


def test_a_child_reads_the_authentication_certificate(user: OrdinaryUser) -> None:
    done = sim_run(user, "my-number-card-child", "pkcs15-tool", "--read-certificate", "01")
    assert done.stdout.startswith("-----BEGIN CERTIFICATE-----")


def test_a_phone_guards_its_authentication_certificate(user: OrdinaryUser) -> None:
    command = ("pkcs15-tool", "--read-certificate", "01")
    refused = sim_run(user, "jpki-android", *command)
    assert "BEGIN CERTIFICATE" not in refused.stdout
    opened = sim_run(user, "jpki-android", *command, "--verify-pin", "--auth-id", "01", "--pin", "1234")
    assert opened.stdout.count("BEGIN CERTIFICATE") == 1, opened.stderr


def test_a_company_card_is_not_a_my_number_card(user: OrdinaryUser) -> None:
    done = sim_run(user, "company-card", "opensc-tool", "--name")
    assert done.stdout.strip() != "jpki"
