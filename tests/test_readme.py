"""Every command that README shows is run, in the order shown, in one empty folder."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))

# Shown, but run by another test: what asks a person, never ends, needs hardware or takes minutes.
PACKAGING = "tests/test_packaging.py::"
PCSC = "tests/reader_bridge/readers/test_pcsc.py::"
DOCTOR = "tests/reader_bridge/readers/doctor/test_this_machine.py::"
PIN_PAD = "tests/foreign/test_pcsc_pin_pad.py::"
NFC_LIST = "tests/foreign/test_pn532_libnfc.py::test_nfc_list_sees_a_my_number_card"
LOGIN = "tests/reader_bridge/service/test_commands.py::test_from_the_shell_to_a_login"
SHELL = "tests/apdu/test_commands.py::test_the_shell_works_from_a_pipe"
SERVED = "tests/foreign/test_vpcd_opensc.py::TestServed::test_opensc_knows_the_card"
MYNUMBER = "tests/applets/mynumber_commands/"
REVOCATION = MYNUMBER + "test_signing.py::test_revocation_from_a_folder_of_lists"
READ_BACK = MYNUMBER + "test_checkin.py::test_card_after_card"
ALIKE = MYNUMBER + "test_probe.py::test_what_it_found_makes_a_card_alike"
COUNTER = {
    "tegata mynumber photo --reader sim:hanako.sim --pin 02040120362285 face.jp2 face.png": MYNUMBER
    + "test_reading.py::test_the_photo_in_both_formats",
    "tegata mynumber number --reader sim:hanako.sim --pin 1234 --purpose 源泉徴収票": MYNUMBER
    + "test_reading.py::test_the_number_is_masked_everywhere",
    "tegata mynumber certs --reader sim:hanako.sim --signature --pin ABC123 --anchors sim": MYNUMBER
    + "test_reading.py::test_certificates_in_words",
    "tegata mynumber pins --reader sim:hanako.sim": MYNUMBER + "test_reading.py::test_pins_of_a_locked_card",
    "tegata mynumber change-pin text --reader sim:hanako.sim": MYNUMBER
    + "test_pins_typed.py::test_a_new_pin_is_typed_twice",
    "tegata sim pki crls lists": REVOCATION,
    "tegata mynumber verify LICENSE.p7s --content LICENSE --anchors sim --crl-dir lists": REVOCATION,
    "tegata sim pki anchors trusted": MYNUMBER + "test_identify.py::test_anchors_of_a_folder",
    "tegata mynumber identify --reader pcsc: --anchors trusted --record check.json --photo face.png": MYNUMBER
    + "test_identify.py::test_typed_at_a_terminal",
    "tegata mynumber checkin run shelter --reader pcsc: --anchors trusted": MYNUMBER
    + "test_checkin.py::test_at_a_terminal_the_operator_sees_whom_the_number_is_of",
    "tegata mynumber checkin undo shelter": MYNUMBER
    + "test_checkin.py::test_a_second_visit_and_one_key_to_undo",
    "unzip records.zip": READ_BACK,
    "openssl cms -decrypt -inform DER -in 0001.p7m -inkey shelter.key -recip shelter.pem": READ_BACK,
    "tegata mynumber probe --reader pcsc: --dry-run": MYNUMBER
    + "test_probe.py::test_it_says_first_what_it_sends_and_asks",
    "tegata mynumber probe --reader pcsc: --output probe.json": ALIKE,
    "tegata sim new --quirks probe.json my-number-card alike.sim": ALIKE,
}
"""Shown for people at counters and holders of a card."""
ON_A_TOKEN = dict.fromkeys(
    (
        "export TEGATA_KEYRING='pkcs11:token=badges?module-path=/usr/lib/softhsm/libsofthsm2.so'",
        "tegata keyring create-master badges",
        "tegata keyring create-master field --algorithm 3des",
        "tegata keyring list",
        "tegata gp --keys default keys rotate --new-master badges --new-version 01",
    ),
    "tests/foreign/test_pkcs11_commands.py::test_the_commands_of_the_reference_page",
)
WITH_CERTIFICATES = dict.fromkeys(
    (
        "tegata sim new gp-full full.sim",
        "tegata sim scp11 full.sim host",
        "tegata gp --reader sim:full.sim --scp11 a --scp11-anchor host/anchor.pem --scp11-key host/host.key "
        "--scp11-chain host/host.pem list",
    ),
    "tests/applets/security_domain/commands/test_sim_scp11.py::test_the_commands_of_the_tutorial",
)
UPDATING = dict.fromkeys(
    (
        "tegata sim firmware new demo",
        "tegata sim reader smp demo/reader.flash --line demo/tty",
        "tegata firmware info smp:demo/tty",
        "tegata firmware verify demo/firmware-1.1.0.bin --key demo/vendor.pub.pem",
        "tegata firmware update smp:demo/tty demo/firmware-1.1.0.bin --key demo/vendor.pub.pem --test",
        "tegata firmware confirm smp:demo/tty",
        "tegata firmware log",
        "tegata firmware config backup smp:demo/tty demo/settings.json",
        "tegata firmware config diff smp:demo/tty demo/settings.json",
        "tegata firmware config restore smp:demo/tty demo/settings.json",
    ),
    "tests/reader_bridge/firmware/test_how_to.py::test_the_commands_of_the_how_to",
)
TWIN = "tests/foreign/test_gemcore_twin.py::test_the_commands_of_the_how_to"
PINPAD = "tests/foreign/test_gemcore_pinpad.py::test_opensc_signs_with_a_pin_from_the_pad"
POS_PRO = "tests/foreign/test_gemcore_pos_pro.py::test_each_slot_has_its_own_card"
OSDP = "tests/simulators/devices/test_osdp_command.py::test_the_commands_of_the_reference_page"
SHARED = "tests/foreign/test_shared_pn532.py::test_the_atr_is_built_from_atqb"
SHARED_SIGNS = "tests/foreign/test_shared_pn532.py::test_both_keys_sign_and_no_pin_stays_verified"
SHARED_SERIAL = "tests/foreign/test_shared_serial.py::"
IMGTOOL = "tests/foreign/test_smp_smpmgr.py::"
EMBEDDED = "tests/test_embedded_readers.py::"
TUTORIAL = dict.fromkeys(
    (
        "tegata sim reader pn532 me.sim --line board",
        "tegata readers doctor pn532:board",
        "tegata readers info pn532:board",
        "tegata mynumber info --reader pn532:board --anchors sim",
        "tegata readers share pn532:board --as gemcore --at twin",
        "tegata readers info gemcore:twin",
        "tegata mynumber info --reader gemcore:twin --anchors sim",
        "tegata sim reader gempc-pinpad my-number-card --type-pin --line pad",
        "tegata mynumber attributes --reader gemcore:pad --anchors sim",
        "tegata sim firmware sign demo/firmware-1.2.0.bin --key demo/vendor.key.pem --version 1.2.0 "
        "--security-counter 2",
        "tegata sim reader smp demo/reader.flash --line demo/tty --fault unplug:to-device:5000",
        "tegata firmware update smp:demo/tty demo/firmware-1.2.0.bin --key demo/vendor.pub.pem --confirm",
        "tegata firmware update",
        "tegata firmware rollback smp:demo/tty",
        "tegata sim firmware sign demo/old.bin --key demo/vendor.key.pem --version 0.9.0 "
        "--security-counter 0",
        "tegata firmware update smp:demo/tty demo/old.bin --key demo/vendor.pub.pem --confirm",
    ),
    EMBEDDED + "test_the_commands_of_the_tutorial",
)
"""Shown to engineers of kiosks and gates."""
READERS = {
    "tegata readers share pn532:board --as vpcd": SHARED,
    "tegata keyring init keys.ring": OSDP,
    "tegata sim reader gempc-twin my-number-card --line /run/gempc": TWIN,
    "opensc-tool -l": TWIN,
    "tegata sim reader gempc-pinpad badge.sim --type-pin --line /run/gempc": PINPAD,
    "tegata sim reader gemcore-pos-pro my-number-card - badge.sim --line /run/gempc": POS_PRO,
    "tegata keyring create-master osdp --keyring file:keys.ring --length 16": OSDP,
    'tegata readers osdp-install "osdp:/dev/ttyUSB0?address=1&key=file:keys.ring"': OSDP,
    "tegata sim reader osdp --line /tmp/gate --address 1 --key gate.key": OSDP,
    "tegata sim new my-number-card card.sim": SHARED,
    "tegata sim reader pn532 card.sim --line /tmp/board &": SHARED,
    "tegata readers share pn532:/tmp/board --as vpcd": SHARED,
    "tegata readers share pn532:/dev/ttyUSB0 --as vpcd": SHARED,
    "opensc-tool --name": SHARED,
    "pkcs11-tool --module opensc-pkcs11.so --login --sign --id 01 -m SHA256-RSA-PKCS -i data -o signature": (
        SHARED_SIGNS
    ),
    "tegata readers share pn532:/dev/ttyUSB0 --as gemcore --at /run/board": SHARED_SERIAL
    + "test_on_a_pseudo_terminal",
    "tegata readers share pn532:/dev/ttyUSB0 --as tcp": SHARED_SERIAL + "test_through_socat_from_a_tcp_port",
    "imgtool keygen -k vendor.pem -t ecdsa-p256": IMGTOOL + "test_an_upgrade_in_one_command",
    "imgtool sign -k vendor.pem --version 1.1.0 --header-size 0x200 --pad-header --align 8 "
    "--slot-size 0x40000 --security-counter 2 --custom-tlv 0xA0 gate-reader-1 "
    "firmware.bin firmware-1.1.0.bin": IMGTOOL + "test_an_upgrade_in_one_command",
    "smpmgr --port demo/tty image upload demo/firmware-1.1.0.bin": IMGTOOL
    + "test_a_trial_its_end_and_a_confirmation",
    "smpmgr --port demo/tty upgrade --confirm demo/firmware-1.1.0.bin": IMGTOOL
    + "test_an_upgrade_in_one_command",
}
"""Shown for readers on serial lines."""
ELSEWHERE = (
    COUNTER
    | READERS
    | TUTORIAL
    | UPDATING
    | ON_A_TOKEN
    | WITH_CERTIFICATES
    | {
        "make demo": "tests/provisioning/test_demo.py::test_the_figures",
        "uv tool install .": PACKAGING + "test_it_imports_beside_a_project_with_the_same_folder_names",
        "uv tool install '.[pcsc,firmware,osdp]'": EMBEDDED + "test_the_extras_that_are_named_exist",
        "tegata apdu shell --reader sim:card.sim": SHELL,
        "tegata sim serve me.sim": SERVED,
        "opensc-tool -n": SERVED,
        "tegata readers": PCSC + "test_without_a_service_there_is_no_reader",
        "tegata readers doctor": DOCTOR + "test_the_command_looks_at_the_whole_machine",
        "tegata readers doctor pn532:/dev/ttyUSB0": DOCTOR + "test_the_command_says_what_to_do",
        "tegata sim reader pn532 my-number-card --line pn532": NFC_LIST,
        "LIBNFC_DEVICE=pn532_uart:$PWD/pn532 nfc-list -v": NFC_LIST,
        "tegata readers watch": "tests/foreign/test_pcsc_watcher.py::test_it_outlives_the_service",
        "tegata readers info pcsc:": PIN_PAD + "test_what_the_reader_says_of_itself",
        "tegata mynumber sign contract.pdf --key authentication --reader pcsc:": PIN_PAD
        + "test_a_signature_with_the_pin_typed_on_the_reader",
        "tegata bridge serve --reader sim:me.sim --anchors sim --auto my-number-card": LOGIN,
    }
)


@dataclass(frozen=True)
class Shown:
    """A command as a reader sees it, and the lines of output shown under it."""

    command: str
    output: tuple[str, ...]


def shown(path: Path) -> list[Shown]:
    """The ``$`` lines of the ``console`` blocks of a Markdown file; a ``# comment`` is for the reader."""
    found: list[Shown] = []
    for block in re.findall(
        r"^ *```console\n(.*?)^ *```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        for part in re.split(r"^ *\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
            first, *rest = part.splitlines()
            command = re.sub(r"\s+", " ", re.sub(r"\s# .*$", "", first)).strip()
            found.append(Shown(command, tuple(line for line in rest if line.strip() not in {"", "…"})))
    return found


README = shown(ROOT / "README.md")


def test_both_languages_show_the_same_commands() -> None:
    japanese = shown(ROOT / "README.ja.md")
    assert README
    assert [line.command for line in README] == [line.command for line in japanese]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_documentation_shows_only_commands_that_are_run(path: Path) -> None:
    run = {line.command for line in README} | ELSEWHERE.keys()
    assert [line.command for line in shown(path) if line.command not in run] == []


@pytest.mark.parametrize("node", sorted(set(ELSEWHERE.values())))
def test_what_is_run_elsewhere_is_run_there(node: str) -> None:
    file, *_, name = node.split("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    tests = [item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert name in tests


def test_nothing_is_excused_that_is_not_shown() -> None:
    documents = {line.command for path in [ROOT / "README.md", *DOCUMENTS] for line in shown(path)}
    assert sorted(ELSEWHERE.keys() - documents) == []


@pytest.mark.foreign
def test_the_commands_of_readme_run_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(ROOT / "LICENSE", folder)
    passphrase = tmp_path / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text("correct horse battery staple", encoding="utf-8")
    environment = {
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "TEGATA_KEYRING_PASSPHRASE_FILE": str(passphrase),  # a reader types it
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
    for line in README:
        if line.command in ELSEWHERE:
            continue
        result = subprocess.run(
            shlex.split(line.command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, f"$ {line.command}\n{result.stdout}{result.stderr}"
        missing = [text for text in line.output if text not in result.stdout]
        assert missing == [], f"$ {line.command}\n{result.stdout}"
