"""The libpcsclite server, with programs that we did not write as its clients: pyscard and OpenSC."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from .conftest import ATR, NAME, Bench, TinyCard

pytestmark = pytest.mark.foreign

OK, RESET, REMOVED = 0, 0x80100068, 0x80100069
SHARING_VIOLATION, NO_SMARTCARD, NOT_TRANSACTED = 0x8010000B, 0x8010000C, 0x80100016


def test_opensc_sees_the_reader_and_its_card(bench: Bench) -> None:
    def opensc(option: str) -> str:
        done = subprocess.run(
            ["opensc-tool", option],
            env=bench.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        return done.stdout

    assert NAME in opensc("-l")
    assert opensc("-a").strip().replace(":", "").upper() == ATR.hex().upper()


def test_connect_status_transmit(bench: Bench) -> None:
    said = bench.pyscard("""
ctx = context()
say(SCardListReaders(ctx, [])[1])
rv, handle, active = connect(ctx)
say([rv, active])
rv, name, state, protocol, atr = SCardStatus(handle)
say([rv, name, state & 0xFFFF, protocol, bytes(atr).hex()])
say(send(handle, READ))
say(send(handle, [0, 0xB0, 0, 0, 0]))
rv, value = SCardGetAttrib(handle, SCARD_ATTR_ATR_STRING)
say([rv, bytes(value).hex()])
say(SCardGetAttrib(handle, SCARD_ATTR_VENDOR_NAME)[0] & 0xFFFFFFFF)
say(SCardControl(handle, SCARD_CTL_CODE(3400), [])[0] & 0xFFFFFFFF)
say(SCardDisconnect(handle, SCARD_LEAVE_CARD))
say(SCardTransmit(handle, SCARD_PCI_T1, READ)[0] & 0xFFFFFFFF)
say(SCardReleaseContext(ctx))
""")
    assert said == [
        [NAME],
        [0, 2],
        [0, NAME, 0x54, 2, ATR.hex()],
        [0, "5a5a5a5a9000"],
        [0, "5a" * 256 + "9000"],
        [0, ATR.hex()],
        0x8010001F,
        NOT_TRANSACTED,
        0,
        0x80100003,
        0,
    ]
    assert len(bench.card.threads) == 1


def test_a_protocol_that_the_card_does_not_speak(bench: Bench) -> None:
    assert bench.pyscard("say(connect(context(), protocol=SCARD_PROTOCOL_T0)[0] & 0xFFFFFFFF)") == [
        0x8010000F
    ]


def test_transactions_keep_others_out_and_end(bench: Bench) -> None:
    said = bench.pyscard(
        """
one, two = card(context()), card(context())
say(SCardBeginTransaction(one)); say(SCardBeginTransaction(one))
say(send(two, READ)[0])
say(send(one, READ)[0])
say(SCardEndTransaction(one, SCARD_LEAVE_CARD))
say(send(two, READ)[0])
say(SCardEndTransaction(one, SCARD_LEAVE_CARD))
say(send(two, READ)[0])
say(SCardEndTransaction(two, SCARD_LEAVE_CARD) & 0xFFFFFFFF)
""",
        PCSCLITE_NO_BLOCKING="1",
    )
    assert said == [0, 0, SHARING_VIOLATION, 0, 0, SHARING_VIOLATION, 0, 0, NOT_TRANSACTED]


def test_a_second_program_waits_for_the_transaction(bench: Bench) -> None:
    holder = """
h = card(context()); say(SCardBeginTransaction(h))
sys.stdin.readline()
SCardEndTransaction(h, SCARD_LEAVE_CARD)
"""
    with bench.start(holder) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "0\n"
        with bench.start("h = card(context()); say(SCardBeginTransaction(h))") as two:
            with pytest.raises(subprocess.TimeoutExpired):
                two.wait(timeout=1)
            one.communicate("\n", timeout=10)
            assert two.communicate(timeout=10)[0] == "0\n"


def test_exclusive_use(bench: Bench) -> None:
    said = bench.pyscard("""
handle = card(context(), SCARD_SHARE_EXCLUSIVE)
say(connect(context())[0] & 0xFFFFFFFF)
say(connect(context(), SCARD_SHARE_DIRECT, 0)[0] & 0xFFFFFFFF)
SCardDisconnect(handle, SCARD_LEAVE_CARD)
shared = card(context())
say(connect(context(), SCARD_SHARE_EXCLUSIVE)[0] & 0xFFFFFFFF)
""")
    assert said == [SHARING_VIOLATION, SHARING_VIOLATION, SHARING_VIOLATION]


def test_reset_at_disconnect_is_seen_by_the_others(bench: Bench) -> None:
    said = bench.pyscard("""
one, two = card(context()), card(context())
send(one, SELECT); send(one, SELECT)
say(send(two, COUNT))
say(SCardDisconnect(one, SCARD_RESET_CARD))
say(send(two, COUNT)[0])
say(SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)[0])
say(send(two, COUNT))
say(SCardReconnect(two, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_UNPOWER_CARD)[0])
say(send(two, COUNT))
""")
    assert said == [[0, "029000"], 0, RESET, 0, [0, "009000"], 0, [0, "009000"]]
    assert bench.card.resets == 2


def test_removal_and_insertion_wake_a_waiting_program(bench: Bench) -> None:
    script = """
ctx = context(); handle = card(ctx)
rv, [(name, state, atr)] = SCardGetStatusChange(ctx, 0, [(NAME, SCARD_STATE_UNAWARE)])
for _ in range(2):
    say("waiting")
    rv, [(name, state, atr)] = SCardGetStatusChange(ctx, 10000, [(NAME, state)])
    say([rv, state & 0xFFFF, state >> 16, bytes(atr).hex()])
say(send(handle, READ)[0])
say(SCardReconnect(handle, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)[0])
say(send(handle, READ)[0])
"""
    with bench.start(script) as process:
        assert process.stdout is not None
        out = process.stdout
        assert out.readline() == '"waiting"\n'
        bench.slot.remove()
        gone = out.readline()
        assert out.readline() == '"waiting"\n'
        bench.slot.insert(TinyCard())
        back = out.readline()
        rest = out.read().split()
    assert gone == '[0, 18, 2, ""]\n'  # changed, empty; the second event
    assert back == f'[0, 290, 3, "{ATR.hex()}"]\n'  # changed, present, in use by the old handle
    assert rest == [str(REMOVED), "0", "0"]


def test_a_wait_ends_by_time_and_by_cancel(bench: Bench) -> None:
    said = bench.pyscard("""
ctx = context()
rv, states = SCardGetStatusChange(ctx, 0, [(NAME, SCARD_STATE_UNAWARE)])
states = [(NAME, states[0][1])]
say(SCardGetStatusChange(ctx, 200, states)[0] & 0xFFFFFFFF)
threading.Timer(0.3, lambda: SCardCancel(ctx)).start()
say(SCardGetStatusChange(ctx, 10000, states)[0] & 0xFFFFFFFF)
say(send(card(ctx), READ)[0])
""")
    assert said == [0x8010000A, 0x80100002, 0]


def test_a_card_that_is_torn_away_in_the_middle(bench: Bench) -> None:
    said = bench.pyscard("""
handle = card(context())
say(send(handle, [0, 0xDE, 0xAD, 0])[0])
say(send(handle, READ)[0])
say(connect(context())[0] & 0xFFFFFFFF)
say(SCardReconnect(handle, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)[0] & 0xFFFFFFFF)
""")
    assert said == [REMOVED, REMOVED, NO_SMARTCARD, NO_SMARTCARD]


def test_a_card_that_goes_at_the_end_of_a_transaction_takes_it_along(bench: Bench) -> None:
    bench.card.lost_at_reset = True
    script = """
one = card(context())
say(SCardBeginTransaction(one)); say(SCardEndTransaction(one, SCARD_RESET_CARD) & 0xFFFFFFFF)
sys.stdin.readline()
say(SCardReconnect(one, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD)[0])
say(SCardBeginTransaction(one)); say(SCardEndTransaction(one, SCARD_LEAVE_CARD))
two = card(context())
say(send(two, READ)[0])
"""
    with bench.start(script, PCSCLITE_NO_BLOCKING="1") as process:
        assert process.stdout is not None
        assert [int(process.stdout.readline()), int(process.stdout.readline())] == [0, REMOVED]
        bench.slot.insert(TinyCard())
        assert process.communicate("\n", timeout=10)[0].split() == ["0"] * 4


def test_faults_on_command(bench: Bench) -> None:
    bench.slot.fail_next(REMOVED)
    bench.slot.fail_next(RESET, times=2)
    said = bench.pyscard("h = card(context()); [say(send(h, READ)[0]) for _ in range(4)]")
    assert said == [REMOVED, RESET, RESET, OK]
    assert len(bench.card.commands) == 1


def test_a_reset_behind_the_programs_back(bench: Bench) -> None:
    with bench.start("h = card(context()); say(0); sys.stdin.readline(); say(send(h, READ)[0])") as process:
        assert process.stdout is not None
        process.stdout.readline()
        bench.slot.reset_card()
        assert process.communicate("\n", timeout=10)[0] == f"{RESET}\n"


def test_a_program_killed_in_a_transaction_leaves_a_reset_card(
    bench: Bench, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with bench.start(
        "h = card(context()); SCardBeginTransaction(h); say(0); sys.stdin.readline()"
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate(timeout=10)
    eventually(lambda: bench.slot.state().sharing == 0)
    assert bench.card.resets == 1
    assert bench.pyscard("h = card(context()); say(SCardBeginTransaction(h)); say(send(h, READ)[0])") == [
        0,
        0,
    ]


def test_many_programs_at_once_reach_the_card_one_by_one(bench: Bench) -> None:
    script = "h = card(context()); say(all(send(h, READ) == (0, '5a5a5a5a9000') for _ in range(50)))"
    processes = [bench.start(script) for _ in range(4)]
    assert [process.communicate(timeout=30)[0] for process in processes] == ["true\n"] * 4
    assert len(bench.card.commands) == 200
    assert len(bench.card.threads) == 1
