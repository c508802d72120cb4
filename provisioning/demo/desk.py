"""The badge desk of the demo: an order from the example roster, cards, and two things that go wrong."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...apdu.card import Card
from ...apdu.errors import CardRemoved
from ...apdu.secret import Secret
from ...applets.piv.host import Piv
from ...reader_bridge.store.settings import HOME_VARIABLE
from ...simulators.card.clock import VirtualClock
from ...simulators.link import open_reader
from ...simulators.presets import create
from ..ca import CompanyCa
from ..issuance import Desk, apply, begin_work, bind
from ..keyring import FileKeyRing
from ..keyring.passphrase import PASSPHRASE_FILE
from ..ledger import Ledger, Line, Order
from ..orders import create_order
from ..profile import Profile, load_profile
from ..roster import read_roster

__all__ = ["Badge", "DemoDesk", "EXAMPLES"]

EXAMPLES = Path(__file__).parents[2] / "examples"
TORN, KILLED = 4, 8
"""Positions, from 0, of the card that is torn away and of the process that is killed."""
CUT_WRITE = 24
KILL_AFTER_BYTES = 1500
MAX_SECONDS = 60
PASSPHRASE_NAME = "passphrase"  # noqa: S105 - the name of a file


class DemoError(RuntimeError):
    """Something came out differently than the demo claims; it says so instead of hiding it."""


@dataclass
class Badge:
    """What making one badge took. Times are virtual card seconds."""

    line: Line
    card: str
    kind: str
    apdus: int = 0
    bytes: int = 0
    link: float = 0.0
    crypto: float = 0.0
    write: float = 0.0
    interrupted: str = ""

    @property
    def seconds(self) -> float:
        return self.link + self.crypto + self.write

    def add(self, clock: VirtualClock) -> None:
        self.apdus += clock.apdus
        self.bytes += clock.bytes_in + clock.bytes_out
        self.link += clock.link
        self.crypto += clock.crypto
        self.write += clock.write


@dataclass
class DemoDesk:
    """Everything lies in ``folder``: key ring, CA, ledger, cards."""

    folder: Path
    ring: FileKeyRing
    ca: CompanyCa
    ledger: Ledger
    profile: Profile
    order: Order
    badges: list[Badge] = field(default_factory=list)

    @classmethod
    def set_up(cls, folder: Path) -> DemoDesk:
        """Keys, CA and an order for the twenty-two people of the example roster."""
        folder.mkdir(mode=0o700, parents=True)
        (folder / "cards").mkdir()
        with os.fdopen(os.open(folder / PASSPHRASE_NAME, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
        passphrase = Secret((folder / PASSPHRASE_NAME).read_bytes().strip())
        ring = FileKeyRing.create(folder / "keys.json", passphrase)
        ring.import_default()
        for master in ("badges", "doors"):
            ring.generate(master)
        ca = CompanyCa.create(
            folder / "ca", passphrase, organization="Example K.K.", base_url="http://pki.example.jp"
        )
        ledger = Ledger.open(folder / "ledger.db")
        profile = load_profile(EXAMPLES / "badge-profile.toml")
        order, _ = create_order(ledger, read_roster(EXAMPLES / "roster.csv"), profile)
        return cls(folder, ring, ca, ledger, profile, order)

    @property
    def desk(self) -> Desk:
        return Desk(self.ledger, self.ring, self.ca)

    def lines(self, kind: str) -> list[Line]:
        with self.ledger.read() as books:
            return books.lines(self.order.id, card_kind=kind)

    def card_file(self, line: Line) -> Path:
        return self.folder / "cards" / f"{line.employee}.sim"

    def issue_all(self, tell: Callable[[int, int, str], None]) -> None:
        """Twenty company cards; one is torn away in the middle of a write, one process is killed."""
        lines = self.lines("company")
        for position, line in enumerate(lines):
            tell(position, len(lines), str(line.payload["employee"]["romaji"]))
            create("company-card", self.card_file(line))
            badge = Badge(line, self.card_file(line).name, "company")
            if position == TORN:
                badge.interrupted = "torn"
                badge.add(self._tear(line))
            elif position == KILLED:
                badge.interrupted = "killed"
                self._kill(line)
            badge.add(self._apply(line))
            self.badges.append(badge)
        tell(len(lines), len(lines), "")

    def apply_again(self) -> int:
        """Run the same again on every finished card; returns how many it changed (none)."""
        changed = 0
        for badge in self.badges:
            if badge.kind == "company":
                reader = open_reader(str(self.card_file(badge.line)))
                try:
                    work = begin_work(self.desk, reader.wait_for_card(), employee=badge.line.employee)
                    changed += apply(work).changed
                finally:
                    reader.close()
        return changed

    def bind_all(self) -> None:
        """Two holders' own cards: read, proved, tied to their holders; not a byte of them is changed."""
        for line in self.lines("holder"):
            create("my-number-card-with-free-space", self.card_file(line))
            before = self.fingerprint(line)
            reader = open_reader(str(self.card_file(line)))
            try:
                bind(self.desk, reader.wait_for_card(), line.employee)
                badge = Badge(line, self.card_file(line).name, "holder")
                badge.add(reader.card.clock)
            finally:
                reader.close()
            if self.fingerprint(line) != before:
                raise DemoError(f"the card of {line.employee} was changed")
            self.badges.append(badge)

    def fingerprint(self, line: Line) -> str:
        """SHA-256 of everything in a card's memory."""
        reader = open_reader(str(self.card_file(line)))
        try:
            digest = hashlib.sha256()
            for name, value in sorted(reader.card.store.content.items()):
                digest.update(len(name).to_bytes(4, "big") + name.encode() + len(value).to_bytes(4, "big"))
                digest.update(value)
            return digest.hexdigest()
        finally:
            reader.close()

    def counts(self) -> dict[str, int]:
        """Issued, bound, lost, issued twice: from the ledger, and twice over from the cards themselves."""
        lines = [badge.line for badge in self.badges]
        with self.ledger.read() as books:
            now = [books.line(line.id) for line in lines]
            done = {line.employee: line for line in now if line.state == "done"}
            live = [badge.employee for badge in books.badges(states=("live",))]
            delivered = [found.employee for found in books.certificates(states=("delivered",))]
        on_cards = [self._serial_on_card(badge) for badge in self.badges if badge.kind == "company"]
        twice = len(live) - len(set(live)) * 2 + len(delivered) - len(set(delivered))
        twice += len(on_cards) - len(set(on_cards))
        return {
            "issued": sum(badge.kind == "company" and badge.line.employee in done for badge in self.badges),
            "bound": sum(badge.kind == "holder" and badge.line.employee in done for badge in self.badges),
            "lost": len(lines) - len(done),
            "twice": twice,
        }

    def _serial_on_card(self, badge: Badge) -> int:
        reader = open_reader(str(self.card_file(badge.line)))
        try:
            piv = Piv(Card(reader.wait_for_card()))
            piv.select()
            certificate = piv.certificate()
        finally:
            reader.close()
        if certificate is None:
            raise DemoError(f"the card of {badge.line.employee} holds no certificate")
        return certificate.serial_number

    def _apply(self, line: Line) -> VirtualClock:
        reader = open_reader(str(self.card_file(line)))
        try:
            apply(begin_work(self.desk, reader.wait_for_card(), employee=line.employee))
            return reader.card.clock
        finally:
            reader.close()

    def _tear(self, line: Line) -> VirtualClock:
        """A contact that ends in the middle of a write."""
        reader = open_reader(f"{self.card_file(line)}?cut={CUT_WRITE}.inside")
        try:
            apply(begin_work(self.desk, reader.wait_for_card(), employee=line.employee))
        except CardRemoved:
            return reader.card.clock
        finally:
            reader.close()
        raise DemoError("the card was finished before it could be torn away")

    def _kill(self, line: Line) -> None:
        """The same command in a process of its own, killed without warning when the card is half written."""
        path = self.card_file(line)
        size = path.stat().st_size
        command = [
            sys.executable,
            "-c",
            "import tegata.cli, sys; sys.exit(tegata.cli.main())",
            "badge",
            "apply",
        ]
        command += ["--reader", f"sim:{path}", "--employee", line.employee, "--json"]
        surroundings = {
            **os.environ,
            HOME_VARIABLE: str(self.folder),
            PASSPHRASE_FILE: str(self.folder / PASSPHRASE_NAME),
        }
        process = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL)
        until = time.monotonic() + MAX_SECONDS
        while process.poll() is None and time.monotonic() < until:
            if path.stat().st_size - size > KILL_AFTER_BYTES:
                process.kill()
                process.wait()
                return
            time.sleep(0.0005)
        process.kill()
        process.wait()
        raise DemoError("the station ended by itself before it could be killed")
