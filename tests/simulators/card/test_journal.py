"""The card file: whatever byte the power is cut at, the card wakes up with whole writes and transactions."""

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.apdu.errors import InputError
from tegata.simulators.card.journal import FileStore, MemoryStore
from tegata.simulators.card.kernel import BEGIN, COMMIT, Write

plain_writes = st.builds(
    Write,
    st.sampled_from(["a", "b", "app/f0/pin", "名"]),
    st.one_of(st.none(), st.binary(max_size=40)),
    st.booleans(),
)
groups = st.one_of(
    plain_writes.map(lambda write: [write]),
    st.lists(plain_writes.filter(lambda w: w.atomic), min_size=1, max_size=4).map(
        lambda writes: [BEGIN, *writes, COMMIT]
    ),
)


def states(writes: list[Write]) -> list[dict[str, bytes]]:
    """Content after each whole write, transactions counted as one."""
    store = MemoryStore({"a": b"old value"})
    seen = [dict(store.content)]
    for write in writes:
        store.apply(write)
        if not store.in_transaction:
            seen.append(dict(store.content))
    return seen


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(groups, min_size=1, max_size=6), data=st.data())
def test_file_cut_at_any_byte(written: list[list[Write]], data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    path.unlink(missing_ok=True)
    store = FileStore.create(path, {"a": b"old value"})
    start = path.stat().st_size
    writes = [write for group in written for write in group]
    for write in writes:
        store.apply(write)
    whole = dict(store.content)
    store.close()

    raw = path.read_bytes()
    cut = data.draw(st.integers(start, len(raw)))
    path.write_bytes(raw[:cut])
    again = FileStore(path)
    allowed = states(writes)
    content = dict(again.content)
    again.close()
    if cut == len(raw):
        assert content == whole
    if all(write.atomic for write in writes):
        assert content in allowed
    else:
        assert any(_differs_in_one_torn_value(content, state) for state in allowed)

    reopened = FileStore(path)
    assert reopened.content == content, "recovery is stable"
    reopened.close()


def _differs_in_one_torn_value(content: dict[str, bytes], state: dict[str, bytes]) -> bool:
    return len([key for key in {*content, *state} if content.get(key) != state.get(key)]) <= 1


def test_torn_plain_copy_leaves_new_bytes_before_old_ones() -> None:
    store = MemoryStore({"file": b"AAAAAAAA"})
    store.tear(Write("file", b"BBBBBBBB", atomic=False))
    assert store.content == {"file": b"BBBBAAAA"}


def test_file_and_memory_agree_about_a_torn_plain_copy(tmp_path: Path) -> None:
    store = FileStore.create(tmp_path / "card.sim", {"file": b"AAAAAAAA"})
    store.tear(Write("file", b"BBBBBBBBBBBBBBBB", atomic=False))
    store.recover()
    value = store.content["file"]
    store.close()
    assert value != b"AAAAAAAA"
    assert value.strip(b"B").strip(b"A") == b""
    assert value.startswith(b"B")


def test_transaction_without_commit_is_undone(tmp_path: Path) -> None:
    store = FileStore.create(tmp_path / "card.sim", {"a": b"1", "b": b"1"})
    for write in (BEGIN, Write("a", b"2"), Write("b", None)):
        store.apply(write)
    store.recover()
    assert store.content == {"a": b"1", "b": b"1"}
    store.close()


def test_second_opener_is_told(tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    first = FileStore.create(path, {"a": b"1"})
    with pytest.raises(InputError) as caught:
        FileStore(path)
    assert caught.value.code == "cardfile.locked"
    assert str(path) in caught.value.sentence("en")
    first.close()
    FileStore(path).close()


def test_lock_outlives_a_rewrite(tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    first = FileStore.create(path, {"a": b"1"})
    first.apply(BEGIN)
    first.recover()  # an open transaction makes recovery write the file anew
    with pytest.raises(InputError) as caught:
        FileStore(path)
    assert caught.value.code == "cardfile.locked"
    first.close()


def test_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    FileStore.create(path, {"a": b"1"}).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(InputError) as caught:
        FileStore.create(path, {})
    assert caught.value.code == "cardfile.exists"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"tegata-card 9\n", bytes(200)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        FileStore(path)
    assert caught.value.code == "cardfile.foreign"
    assert path.read_bytes() == content


def test_long_life_does_not_grow_the_file_without_end(tmp_path: Path) -> None:
    path = tmp_path / "card.sim"
    store = FileStore.create(path, {})
    for number in range(400):
        store.apply(Write("counter", number.to_bytes(2, "big") * 1000))
    store.close()
    again = FileStore(path)
    assert again.content == {"counter": (399).to_bytes(2, "big") * 1000}
    again.close()
    assert path.stat().st_size < 10_000
