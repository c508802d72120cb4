"""The badge desk and the security engineer: every mishap is one sentence, one next step, one exit code.

Each line of the table is run in English, in Japanese and with ``--json``. Standard error holds the
catalogue's words and nothing else, and cards, ledger and files are as they were before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

from tegata.apdu.errors import EXCHANGE, TegataError, Words
from tegata.applets.security_domain.model.cplc import Cplc
from tegata.cli import main
from tegata.provisioning.ledger import Ledger
from tegata.provisioning.roster_fields import Fault
from tegata.reader_bridge.web import bind
from tegata.simulators.card.journal import FileStore

from .conftest import DATA, FIRST, HOLDER, PROFILE, SECOND, Place, card_memory

NEXT = "000103"
TEN_FAULTS, MY_NUMBER = DATA / "ten-faults.csv", DATA / "my-number.csv"
Details = dict[str, Any]


def nothing(place: Place) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True)
class Case:
    """A mishap: what is typed at the desk, and what the catalogue has to say to it.

    ``typed`` and ``details`` may name what only the desk knows in braces: a card's identity ``{id:blank}``,
    its file ``{sim:blank}`` or ``{file:blank}``, and the taken ``{port}``.
    """

    name: str
    typed: str
    code: str
    exit: int
    details: Details
    meanwhile: Callable[[Place], AbstractContextManager[object]] = nothing
    alone: bool = False
    """In a process of its own: libpcsclite reads its environment once."""


def opened(card: str) -> Callable[[Place], AbstractContextManager[object]]:
    """Another program has the card in its reader."""
    return lambda place: closing(FileStore(place.folder / f"{card}.sim"))


def in_quarantine(place: Place) -> AbstractContextManager[object]:
    with closing(Ledger.open(place.folder / "ledger.db")) as ledger, ledger.begin() as books:
        card = next(card for card in books.cards() if card.identity == identity(place, "issued"))
        books.move_card(card.id, "quarantine", "found in the canteen")
    return nullcontext()


def taken_port(place: Place) -> AbstractContextManager[object]:
    listener = bind("127.0.0.1", 0)
    (place.folder / "port").write_text(str(listener.getsockname()[1]))
    return closing(listener)


def lost_passphrase(place: Place) -> AbstractContextManager[object]:
    (place.folder / "passphrase").write_text("another one\n")
    return nullcontext()


def shortly(typed: str) -> str:
    return " ".join(typed.split()[:2])


PLAN = "badge plan --reader {sim:%s} --employee %s"
APPLY = "badge apply --reader {sim:%s} --employee %s"
QUARANTINE = {"card": "{id:issued}", "state": Words("quarantine", "隔離"), "reason": "found in the canteen"}
CARD_OF = Words("the card of employee {}", "社員 {} のカード")


def card_of(employee: str) -> Words:
    return Words(CARD_OF.format(employee), CARD_OF.ja.format(employee))


CASES = (
    # no reader
    Case("no reader: readers", "readers", "reader.none", 31, {}, alone=True),
    Case(
        "no reader: plan", f"badge plan --reader pcsc: --employee {NEXT}", "reader.none", 31, {}, alone=True
    ),
    Case("no reader: apdu", "apdu send --reader pcsc: 00A4040000", "reader.none", 31, {}, alone=True),
    Case(
        "no such kind of reader",
        f"badge plan --reader usb:1 --employee {NEXT}",
        "reader.scheme",
        33,
        {"url": "usb:1", "known": "gemcore, pcsc, pn532, sim"},
    ),
    # card removed in the middle
    Case(
        "card removed: plan",
        PLAN % ("torn?cut=0.inside", SECOND),
        "card.removed",
        12,
        {"what": EXCHANGE},
    ),
    Case(
        "card removed: apdu",
        "apdu send --reader {sim:blank?cut=0.inside} 00A4040008A00000015100000000 80500000081122334455667788",
        "card.removed",
        12,
        {"what": EXCHANGE},
    ),
    # another card put back
    Case(
        "another, blank card put back",
        APPLY % ("blank", SECOND),
        "card.changed",
        13,
        {"expected": "{id:torn}", "found": "{id:blank}"},
    ),
    Case(
        "another person's card put back",
        APPLY % ("torn", FIRST),
        "card.changed",
        13,
        {"expected": card_of(FIRST), "found": card_of(SECOND)},
    ),
    # card file opened twice
    *(
        Case(
            f"opened twice: {shortly(words)}",
            words,
            "cardfile.locked",
            139,
            {"file": "{file:blank}"},
            opened("blank"),
        )
        for words in (
            PLAN % ("blank", NEXT),
            APPLY % ("blank", NEXT),
            "apdu send --reader {sim:blank} 00A4040000",
            "sim run {file:blank} -- true",
            "sim serve {file:blank}",
        )
    ),
    # a My Number Card
    Case("My Number Card: apply", APPLY % ("holder", NEXT), "badge.my_number_card", 176, {}),
    Case("My Number Card: plan", PLAN % ("stranger", NEXT), "badge.my_number_card", 176, {}),
    # rosters (the faults themselves: test_roster_with_ten_faults)
    Case(
        "roster with faults: order",
        f"orders create --roster {TEN_FAULTS} --profile {PROFILE}",
        "roster.faults",
        118,
        {
            "path": str(TEN_FAULTS),
            "count": 10,
            "first": Words("line 3, column 社員番号: the cell is empty", "3 行目「社員番号」: 空欄です"),
        },
    ),
    *(
        Case(
            f"個人番号: {shortly(words)}",
            words,
            "roster.my_number",
            119,
            {"path": str(MY_NUMBER), "column": "個人番号"},
        )
        for words in (
            f"roster import {MY_NUMBER}",
            f"orders create --roster {MY_NUMBER} --profile {PROFILE}",
        )
    ),
    # keys
    *(
        Case(
            f"wrong keys: {shortly(words)}",
            words % ("foreign", NEXT),
            "badge.keys",
            178,
            {"card": "{id:foreign}", "versions": "FF"},
        )
        for words in (PLAN, APPLY)
    ),
    *(
        Case(
            f"out of use: {shortly(words)}",
            words % ("issued", FIRST),
            "badge.out_of_use",
            179,
            QUARANTINE,
            in_quarantine,
        )
        for words in (PLAN, APPLY)
    ),
    Case(
        "wrong passphrase",
        APPLY % ("blank", NEXT),
        "keyring.passphrase",
        108,
        {"name": "keys"},
        lost_passphrase,
    ),
    Case("no such employee", APPLY % ("blank", "999999"), "order.no_line", 186, {"employee": "999999"}),
    # holders' own cards
    Case(
        "bind: no ID on it",
        f"badge bind --reader {{sim:blank}} --employee {HOLDER}",
        "freespace.not_here",
        149,
        {},
    ),
    *(
        Case(
            f"bind: {name}",
            f"badge bind --reader {{sim:{card}}} --employee {employee}",
            "ledger.one_badge",
            122,
            {"employee": employee, "application": "free-space-id"},
        )
        for name, card, employee in (
            ("a second card", "stranger", HOLDER),
            ("somebody else's card", "holder", "000122"),
        )
    ),
    # at the door
    Case(
        "door: expired",
        "badge read --reader {sim:expired} --site TOKYO",
        "badge.door_refused",
        188,
        {"reason": Words("the badge has expired", "バッジの有効期限が切れています")},
    ),
    Case(
        "door: no access",
        "badge read --reader {sim:issued} --site TOKYO --class lab",
        "badge.door_refused",
        188,
        {"reason": Words("the badge lacks this access class", "この入室区分の権限がありません")},
    ),
    Case(
        "door: other site", "badge read --reader {sim:issued} --site OSAKA", "badge.foreign", 167, {"site": 2}
    ),
    Case("door: no badge", "badge read --reader {sim:blank} --site TOKYO", "badge.absent", 166, {}),
    Case("door: not bound", "badge read --reader {sim:stranger} --site TOKYO", "badge.unbound", 191, {}),
    Case(
        "door: no such site",
        "badge read --reader {sim:issued} --site KYOTO",
        "badge.site",
        182,
        {"site": "KYOTO", "known": "OSAKA, TOKYO"},
    ),
    # files and programs
    Case("no card file", PLAN % ("nowhere", NEXT), "cardfile.missing", 136, {"file": "{file:nowhere}"}),
    Case(
        "not a card file",
        "sim serve {file:passphrase}",
        "cardfile.foreign",
        138,
        {"file": "{file:passphrase}"},
    ),
    Case(
        "never overwritten",
        "sim new company-card {file:blank}",
        "cardfile.exists",
        137,
        {"file": "{file:blank}"},
    ),
    Case(
        "no such program",
        "sim run {file:blank} -- no-such-tool",
        "share.not_found",
        127,
        {"program": "no-such-tool"},
    ),
    # the bridge's door
    Case(
        "port in use",
        "bridge serve --reader {sim:holder} --port {port}",
        "bridge.port",
        82,
        {"host": "127.0.0.1", "port": "{port}"},
        taken_port,
    ),
)


def identity(place: Place, card: str) -> bytes:
    return Cplc.parse(card_memory(place.folder / f"{card}.sim")["card/cplc"]).identity


def filled(place: Place, text: str) -> str:
    """``text`` with what only this desk knows."""
    while (start := text.find("{")) >= 0:
        end = text.index("}", start)
        kind, _, name = text[start + 1 : end].partition(":")
        text = text[:start] + _known(place, kind, name) + text[end + 1 :]
    return text


def _known(place: Place, kind: str, name: str) -> str:
    if kind == "port":
        return (place.folder / "port").read_text()
    if kind == "id":
        return identity(place, name).hex().upper()
    if kind == "sim":
        card, mark, options = name.partition("?")
        return place.sim(card, mark + options)
    file = place.folder / name
    return str(file if file.exists() else file.with_suffix(".sim"))


def expected(place: Place, case: Case) -> TegataError:
    """The catalogue's entry, filled in."""
    details = {
        name: filled(place, value) if type(value) is str else value for name, value in case.details.items()
    }
    if "port" in details:
        details["port"] = int(details["port"])
    return TegataError(case.code, **details)


@pytest.fixture
def say(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Run the command line; exit code and standard error."""
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(place.folder / "nobody.comm"))

    def run(*arguments: str, alone: bool = False) -> tuple[int, str]:
        if alone:
            command = [sys.executable, "-m", "tegata.cli", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            return done.returncode, done.stderr
        capsys.readouterr()
        code = main(arguments)
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_sentence(place: Place, say: Callable[..., tuple[int, str]], case: Case) -> None:
    with case.meanwhile(place):
        before = place.state()
        words = filled(place, case.typed).split(" ")
        error = expected(place, case)
        assert error.exit_code == case.exit
        for lang in ("en", "ja"):
            sentences = f"{error.sentence(lang)}\n{error.next_step(lang)}\n"
            assert say("--lang", lang, *words, alone=case.alone) == (case.exit, sentences)
        if words[0] not in ("sim", "apdu"):
            code, said = say("--lang", "en", *words, "--json", alone=case.alone)
            assert (code, json.loads(said)) == (case.exit, problem(error))
        assert place.state() == before


def problem(error: TegataError) -> Details:
    """What ``--json`` prints on standard error."""
    return {
        "code": error.code,
        "exit_code": error.exit_code,
        "sentence": error.sentence("en"),
        "next_step": error.next_step("en"),
        "details": json.loads(json.dumps(error.details)),
    }


FAULTS = (
    (3, "社員番号", "missing"),
    (4, "社員番号", "number"),
    (5, "ローマ字", "ascii_name"),
    (6, "部署（英字）", "ascii_text"),
    (7, "メールアドレス", "email"),
    (8, "拠点", "code"),
    (9, "有効開始日", "date"),
    (10, "", "dates_order"),
    (11, "氏名", "formula"),
    (12, "カード", "card"),
)


def test_roster_with_ten_faults(
    place: Place, say: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, each by line and column, and nothing is stored."""
    before = place.state()
    faults = [Fault(line, column, kind, DETAILS.get(kind, "")) for line, column, kind in FAULTS]
    first = Words(faults[0].sentence("en"), faults[0].sentence("ja"))
    error = TegataError("roster.faults", path=str(TEN_FAULTS), count=10, first=first)
    for lang in ("en", "ja"):
        listed = "".join(f"  {fault.sentence(lang)}\n" for fault in faults)
        words = f"{error.sentence(lang)}\n{listed}{error.next_step(lang)}\n"
        assert say("--lang", lang, "roster", "import", str(TEN_FAULTS)) == (118, words)
    assert main(["--lang", "en", "roster", "import", str(TEN_FAULTS), "--json"]) == 118
    found = json.loads(capsys.readouterr().out)
    assert [(fault["line"], fault["column"], fault["kind"]) for fault in found["faults"]] == list(FAULTS)
    assert {name: found[name] for name in ("code", "exit_code", "sentence", "next_step")} == {
        name: value for name, value in problem(error).items() if name != "details"
    }
    assert place.state() == before


DETAILS = {"ascii_name": "125", "ascii_text": "20"}
"""The limits that two of the sentences name."""


@pytest.mark.parametrize("write", [2, 9, 17, 24, 31])
def test_card_removed_in_the_middle_of_its_badge(
    place: Place, say: Callable[..., tuple[int, str]], write: int
) -> None:
    """One sentence; the same command with the same card finishes, with another card it refuses."""
    employee = ("--employee", NEXT)
    torn = place.sim("blank", f"?cut={write}.inside")
    error = TegataError("card.removed", what=EXCHANGE)
    words = f"{error.sentence('en')}\n{error.next_step('en')}\n"
    assert say("--lang", "en", "badge", "apply", "--reader", torn, *employee) == (12, words)
    after = place.state()
    assert say("badge", "apply", "--reader", place.sim("foreign"), *employee)[0] == 13
    assert say("badge", "apply", "--reader", place.sim("torn"), *employee)[0] == 13
    assert place.state() == after
    assert say("badge", "apply", "--reader", place.sim("blank"), *employee) == (0, "")
    assert say("badge", "verify", "--reader", place.sim("blank"), *employee) == (0, "")
    finished = place.state()
    assert say("badge", "apply", "--reader", place.sim("blank"), *employee) == (0, "")
    assert place.state() == finished
