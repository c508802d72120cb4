"""A badge desk and an applet manager whose masters live on SoftHSM2, by our own commands, from blank cards to
rotated keys; afterwards no key is found in anything that was written."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.des import full_mac
from tegata.apdu.diversification import SCHEMES as OF_THE_FIELD
from tegata.apdu.diversification import diversify
from tegata.apdu.ports import KeyRef
from tegata.apdu.scp02 import crypto as scp02
from tegata.apdu.scp03 import crypto as scp03
from tegata.applets.entry_badge import model as badge
from tegata.provisioning.keyring.kdf import counter_mode_cmac
from tegata.provisioning.ledger import Ledger

from .harness import TEGATA
from .softhsm import PIN, SoftToken

pytestmark = pytest.mark.foreign

EXAMPLES = Path(__file__).parents[2] / "examples"
EMPLOYEE = "000101"
PASSPHRASE = "correct horse battery staple"
KIDS = {"enc": 1, "mac": 2, "dek": 3}
WELL_KNOWN = bytes(range(0x40, 0x50))
MASTERS = {  # known here, so that every key that may have leaked is known
    "badges": bytes.fromhex("8C72C72CF908411653018807950D82FBAD947562F0828A0B10B8B9606ABF3BCD"),
    "doors": bytes.fromhex("D1E2A07C44B5F0986A1D3C5E7F8091A2B3C4D5E6F708192A3B4C5D6E7F80912A"),
    "field": bytes.fromhex("6A09E667F3BCC908B2FB1366EA957D3E"),
}


@dataclass
class Desk:
    """A home, a token, two cards, and everything that the commands printed."""

    home: Path
    token: SoftToken
    printed: list[str] = field(default_factory=list)

    @property
    def badge(self) -> str:
        return f"sim:{self.home.parent / 'cards' / 'badge.sim'}"

    @property
    def applets(self) -> str:
        return f"sim:{self.home.parent / 'cards' / 'applets.sim'}"

    def __call__(self, *arguments: str) -> str:
        """One command of ours to its good end, as talkative as it can be."""
        variables = {
            **os.environ,
            **self.token.environment,
            "TEGATA_HOME": str(self.home),
            "TEGATA_KEYRING": self.token.url(),
            "TEGATA_KEYRING_PASSPHRASE_FILE": str(self.home.parent / "passphrase"),
            "TEGATA_DEBUG": "1",
        }
        command = [*TEGATA, "--lang", "en", *arguments]
        ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        self.printed += [" ".join(command), ran.stdout, ran.stderr]
        assert ran.returncode == 0, f"{arguments}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def traced(self, name: str) -> tuple[str, str]:
        return "--trace", str(self.home / f"{name}.trace")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Everything from an empty token to a third set of keys, on a badge and on a card of SCP02."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("home", "cards", "masters"):
        (folder / name).mkdir()
    (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    desk = Desk(folder / "home", SoftToken.create(folder / "hsm"))
    for label, key in MASTERS.items():
        source = folder / "masters" / label
        source.touch(mode=0o600)
        source.write_text(key.hex())
        kind = "3des" if label == "field" else "aes"
        desk("keyring", "create-master", label, "--from", str(source), "--algorithm", kind)
        source.unlink()  # the ceremony is over: from here on the token alone has it
    desk("keyring", "create-signer", "delegate", "--kind", "rsa-2048")
    issue(desk)
    manage(desk)
    return desk


def issue(desk: Desk) -> None:
    """A badge: installed, personalised, its maker's keys replaced; then its keys rotated twice."""
    desk("ca", "init", "--organization", "Example K.K.", "--base-url", "http://pki.example.jp")
    desk("roster", "import", str(EXAMPLES / "roster.csv"))
    profile, roster = str(EXAMPLES / "badge-profile.toml"), str(EXAMPLES / "roster.csv")
    desk("orders", "create", "--roster", roster, "--profile", profile)
    desk("sim", "new", "company-card", desk.badge.removeprefix("sim:"))
    on_badge = ("--reader", desk.badge, "--employee", EMPLOYEE)
    desk("badge", "plan", *on_badge, *desk.traced("plan"))
    desk("badge", "apply", *on_badge, *desk.traced("apply"))
    desk("badge", "verify", *on_badge, *desk.traced("verify"))
    desk("badge", "read", "--reader", desk.badge, "--site", "TOKYO")
    gp = ("gp", "--reader", desk.badge, "--master", "badges")
    desk(*gp, *desk.traced("second"), "keys", "rotate", "--new-version", "02")
    desk(*gp, *desk.traced("third"), "keys", "rotate", "--new-scheme", "kdf3", "--new-version", "03",
         "--new-length", "32")  # fmt: skip
    desk(*gp, "--scheme", "kdf3", *desk.traced("list"), "list")


def manage(desk: Desk) -> None:
    """A card of SCP02: from the well-known keys to VISA2, a package and an application, then EMV CPS 1.1."""
    desk("sim", "new", "gp-scp02", desk.applets.removeprefix("sim:"))
    package = str(desk.home.parent / "cards" / "other.cap")
    desk("sim", "cap", "F0000000010001", package, "--applet", "F000000001000101")
    gp = ("gp", "--reader", desk.applets)
    desk(*gp, "--keys", "default", *desk.traced("visa2"), "keys", "rotate", "--new-master", "field",
         "--new-scheme", "visa2", "--new-version", "01")  # fmt: skip
    field_keys = ("--master", "field", "--scheme", "visa2")
    desk(*gp, *field_keys, *desk.traced("install"), "install", package)
    desk(*gp, *field_keys, *desk.traced("emv"), "keys", "rotate", "--new-scheme", "emv-cps-1.1",
         "--new-version", "02")  # fmt: skip


def test_the_cards_live_under_keys_of_the_token(desk: Desk) -> None:
    for reader, version in ((desk.badge, 3), (desk.applets, 2)):
        told = json.loads(desk("gp", "--reader", reader, "--json", "info"))
        assert f'"version": {version}' in json.dumps(told) or f'"{version:02X}"' in json.dumps(told)
    listed = json.loads(desk("keyring", "list", "--json"))["keys"]
    serves = {**dict.fromkeys(MASTERS, "master"), "delegate": "signer"}
    assert {line["label"]: line["serves"] for line in listed} == serves
    assert desk.token.objects().count("Secret Key Object") == len(MASTERS)


def refs_of(desk: Desk) -> list[KeyRef]:
    """Every key that the ledger ever had, of both cards."""
    ledger = Ledger.open(desk.home / "ledger.db")
    try:
        with ledger.read() as books:
            states = ("intended", "live", "previous", "gone")
            return [key.ref for card in books.cards() for key in books.keys(card.id, states=states)]
    finally:
        ledger.close()


def value_of(ref: KeyRef) -> bytes | None:
    """The key behind a reference, by public functions; None for a PIN, whose digits stand everywhere."""
    if ref.scheme == "fixed" or ref.usage in ("piv-pin", "piv-puk"):
        return None
    master = MASTERS[ref.master]
    if ref.scheme in OF_THE_FIELD:
        return diversify(ref.scheme, master, ref.diversification, KIDS[ref.usage], ref.length)
    if ref.scheme == "entry-badge":
        site = int.from_bytes(ref.diversification[:4], "big")
        if ref.usage == "privacy":
            return badge.privacy_key(master, site, ref.version)
        key = badge.site_key(master, site, ref.version)
        return badge.badge_key(key, ref.diversification[4:]) if ref.usage == "badge" else key
    context = ref.diversification + bytes((ref.version, ref.length))
    return counter_mode_cmac(master, ref.usage.encode(), context, ref.length)


def handshakes(desk: Desk) -> Iterator[tuple[bytes, bytes]]:
    """Command and answer of every INITIALIZE UPDATE that was followed by EXTERNAL AUTHENTICATE."""
    for trace in sorted(desk.home.glob("*.trace")):
        lines = [line for line in trace.read_text().splitlines() if line and not line.startswith("#")]
        for at in range(0, len(lines) - 2, 2):
            command, after = lines[at], lines[at + 2]
            if command.startswith("8050") and after.startswith("8482"):
                yield bytes.fromhex(command), bytes.fromhex(lines[at + 1])


def session_keys(desk: Desk, static: Mapping[tuple[int, str], list[bytes]]) -> Iterator[bytes]:
    """The keys of every channel in the traces: those of the set whose card cryptogram is the card's."""
    for command, answer in handshakes(desk):
        host, version, protocol = command[5:13], answer[10], answer[11]
        sets = list(zip(static[version, "enc"], static[version, "mac"], static[version, "dek"], strict=True))
        fitting = []
        for enc, mac, dek in sets:
            if protocol == 2:
                sequence, challenge, cryptogram = answer[12:14], answer[12:20], answer[20:28]
                keys = scp02.derive_session_keys(Secret(enc), Secret(mac), sequence)
                others = [scp02.session_dek(Secret(dek), sequence).reveal()]
                told = full_mac(keys.enc, bytes(8), host + challenge + b"\x80" + bytes(7))
            else:
                challenge, cryptogram = answer[13:21], answer[21:29]
                keys = scp03.derive_session_keys(Secret(enc), Secret(mac), host, challenge)
                others, told = [], scp03.derive(keys.mac, 0x00, 8, host + challenge)
            if told == cryptogram:
                fitting += [keys.enc.reveal(), keys.mac.reveal(), keys.rmac.reveal(), *others]
        assert fitting, f"no set of version {version:02X} made this channel"
        yield from fitting


@pytest.fixture(scope="module")
def secrets(desk: Desk) -> dict[str, set[bytes]]:
    """Masters, static keys, session keys, and what opens the token and the CA."""
    static: dict[tuple[int, str], list[bytes]] = {(0xFF, usage): [WELL_KNOWN] for usage in KIDS}
    values = set()
    for ref in refs_of(desk):
        if (value := value_of(ref)) is not None:
            static.setdefault((ref.version, ref.usage), []).append(value)
            values.add(value)
    sites = {badge.site_key(MASTERS["doors"], site, version) for site in range(1, 4) for version in (1, 2)}
    return {
        "master": set(MASTERS.values()),
        "static": values | sites,
        "session": set(session_keys(desk, static)),
        "opener": {PIN.encode(), PASSPHRASE.encode()},
    }


def forms(secret: bytes) -> dict[str, bytes]:
    """How a key may stand in a file: as it is, in hex of either case, alone or spaced, in base64 at whichever
    of the three positions it begins."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for separator in (" ", ":"):
        found[f"hex{separator}"] = secret.hex(separator).encode()
        found[f"HEX{separator}"] = secret.hex(separator).upper().encode()
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + secret)
        first, last = (4 if shift else 0), -4 if (shift + len(secret)) % 3 else None
        found[f"base64+{shift}"] = whole[first:last]
        found[f"base64url+{shift}"] = base64.urlsafe_b64encode(bytes(shift) + secret)[first:last]
    return found


def scan(content: bytes, secrets: Mapping[str, set[bytes]]) -> set[tuple[str, str]]:
    """Kind and form of every secret in ``content``."""
    return {
        (kind, form)
        for kind, values in secrets.items()
        for value in values
        for form, pattern in forms(value).items()
        if pattern in content
    }


def written(desk: Desk) -> Iterable[tuple[str, bytes]]:
    """All that the commands wrote or printed, and the token's own folder; not the cards, which hold their
    keys, nor the two files that the operator keeps PIN and passphrase in."""
    base = desk.home.parent
    for path in sorted(base.rglob("*")):
        kept = path.is_relative_to(base / "cards") or path in (base / "passphrase", base / "hsm" / "pin")
        if path.is_file() and not kept:
            yield str(path.relative_to(base)), path.read_bytes()
    yield "printed", "\n".join(desk.printed).encode()


def test_no_key_is_found_anywhere(desk: Desk, secrets: dict[str, set[bytes]]) -> None:
    files = dict(written(desk))
    names = " ".join(files)
    assert all(part in names for part in ("ledger.db", "apply.trace", "hsm/tokens", "printed"))
    assert len(secrets["static"]) >= 24  # five sets of three, and those of the two applications
    assert len(secrets["session"]) >= 30
    found = {name: hits for name, content in files.items() if (hits := scan(content, secrets))}
    assert found == {}
    total = sum(map(len, files.values()))
    kinds = ", ".join(f"{len(values)} of kind {kind}" for kind, values in secrets.items())
    print(f"{len(files)} files, {total} bytes scanned for secrets: {kinds}")


def test_the_scan_finds_the_keys_on_the_card(desk: Desk, secrets: dict[str, set[bytes]]) -> None:
    """The very files that were left out: a card holds its keys, and the scan says so."""
    for card in (desk.badge, desk.applets):
        found = scan(Path(card.removeprefix("sim:")).read_bytes(), secrets)
        assert "static" in {kind for kind, _ in found}
    assert scan((desk.home.parent / "passphrase").read_bytes(), secrets) == {("opener", "raw")}


def test_the_scan_finds_every_form(secrets: dict[str, set[bytes]]) -> None:
    """A key of each kind, hidden in each form in the midst of other text."""
    for kind, values in secrets.items():
        secret = sorted(values)[0]
        for form, pattern in forms(secret).items():
            assert (kind, form) in scan(b"2026-04-01 noise " + pattern + b" noise", secrets)
        for shift in range(6):
            hidden = base64.b64encode(b"x" * shift + secret + b"behind it")
            assert any(name.startswith("base64") for _, name in scan(hidden, secrets)), (kind, shift)
    assert scan(b"noise" * 1000, secrets) == set()
