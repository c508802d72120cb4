"""The catalogue of errors: complete in both languages, and in step with the source, in both directions."""

import ast
import string
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tegata.apdu.errors import Entry, TegataError, catalogue

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "apdu" / "catalogue").glob("*.toml"))


@cache
def nodes() -> dict[Path, list[ast.AST]]:
    """Everything in the syntax tree of each source file."""
    folders = ["apdu", "applets", "provisioning", "reader_bridge", "simulators"]
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {
        path.relative_to(ROOT): list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        for path in [*files, ROOT / "cli.py"]
    }


@cache
def error_classes() -> dict[str, ast.ClassDef]:
    """TegataError and everything that descends from it, by name."""
    classes = [node for found in nodes().values() for node in found if isinstance(node, ast.ClassDef)]
    family: dict[str, ast.ClassDef] = {node.name: node for node in classes if node.name == "TegataError"}
    while True:
        found = {
            node.name: node
            for node in classes
            if any(isinstance(base, ast.Name) and base.id in family for base in node.bases)
        }
        if found.keys() <= family.keys():
            return family
        family |= found


def literal_codes(call: ast.Call) -> list[str]:
    """The codes that a constructor call names: its first argument or ``code=``, both arms of a choice too."""
    given = call.args[:1] + [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    arms = [
        arm for node in given for arm in ([node.body, node.orelse] if isinstance(node, ast.IfExp) else [node])
    ]
    return [
        arm.value
        for arm in arms
        if isinstance(arm, ast.Constant) and isinstance(arm.value, str) and looks_like_a_code(arm.value)
    ]


def looks_like_a_code(text: str) -> bool:
    group, dot, name = text.partition(".")
    return bool(dot) and all(part.replace("_", "").isalnum() and part.islower() for part in [group, name])


@cache
def calls() -> list[tuple[str, str, ast.Call, str]]:
    """Where an error is made, of which class, by which call, and which code that names."""
    return [
        (f"{path}:{node.lineno}", node.func.id, node, code)
        for path, found in nodes().items()
        for node in found
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in error_classes()
        for code in literal_codes(node)
    ]


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


def test_codes_stand_once_over_all_files() -> None:
    codes = Counter(
        f"{group}.{name}"
        for path in FILES
        for group, lines in tomllib.loads(path.read_text(encoding="utf-8")).items()
        for name in lines
    )
    assert [code for code, times in codes.items() if times > 1] == []
    assert codes.keys() == catalogue().keys()


def test_an_exit_code_belongs_to_one_group_and_leaves_the_reserved_ones_alone() -> None:
    exits: dict[int, set[str]] = {}
    for entry in catalogue().values():
        exits.setdefault(entry.exit, set()).add(entry.code.partition(".")[0])
    assert {code: groups for code, groups in exits.items() if len(groups) > 1} == {}
    # 0 done, 2 usage, 130 stopped by the user.
    assert [code for code in exits if code in {0, 2, 130} or not 0 <= code <= 255] == []


@pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.code)
def test_an_entry_speaks_both_languages(entry: Entry) -> None:
    assert entry.en.strip() and entry.en_next.strip()
    assert entry.ja.strip() and entry.ja_next.strip()
    assert any(ord(letter) > 0x3000 for letter in entry.ja)
    assert placeholders(entry.ja) | placeholders(entry.ja_next) <= placeholders(entry.en) | placeholders(
        entry.en_next
    )
    assert 400 <= entry.status <= 599


@pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.code)
def test_an_entry_is_a_sentence(entry: Entry) -> None:
    for text in [entry.en, entry.en_next, entry.ja, entry.ja_next]:
        assert text.endswith((".", "。", "?", "}", ")", "?")), text
        assert "\n" not in text


def test_every_code_in_the_source_is_in_the_catalogue() -> None:
    named = {f"{where}: {code}" for where, _, _, code in calls() if code not in catalogue()}
    named |= {
        f"{name}.default_code: {code}"
        for name, node in error_classes().items()
        for code in map(default_code, node.body)
        if code is not None and code not in catalogue()
    }
    assert calls()
    assert named == set()


def default_code(line: ast.stmt) -> str | None:
    match line:
        case ast.Assign(targets=[ast.Name("default_code")], value=ast.Constant(str(code))):
            return code
        case ast.AnnAssign(target=ast.Name("default_code"), value=ast.Constant(str(code))):
            return code
    return None


def test_every_entry_is_used() -> None:
    literals = {
        node.value
        for found in nodes().values()
        for node in found
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(catalogue().keys() - literals) == []


def test_every_call_fills_the_sentence_it_names() -> None:
    """Only for classes that take the details as they are; others fill in what they know themselves."""
    gaps = []
    for where, name, call, code in calls():
        takes_details = not any(
            isinstance(line, ast.FunctionDef) and line.name == "__init__"
            for line in error_classes()[name].body
        )
        open_ended = any(keyword.arg is None for keyword in call.keywords)
        if code not in catalogue() or open_ended or not (takes_details or name == "TegataError"):
            continue
        entry = catalogue()[code]
        wanted = placeholders(entry.en) | placeholders(entry.en_next)
        missing = wanted - {keyword.arg for keyword in call.keywords}
        if missing:
            gaps.append(f"{where}: {code} wants {', '.join(sorted(missing))}")
    assert gaps == []


def test_details_fill_both_languages() -> None:
    error = TegataError("reader.unknown", reader="pcsc:X", known="pcsc:Y")
    assert error.sentence("en") == "There is no reader called pcsc:X; known: pcsc:Y."
    assert "pcsc:X" in error.sentence("ja") and "pcsc:Y" in error.sentence("ja")
    assert error.exit_code == 32
