"""Group commit on a list of words instead of a database: who learns what, and when."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import msgspec
import pytest

from router.errors import JournalBroken, JournalUnavailable
from router.journal.group_commit import GroupCommit
from router.journal.pieces import Batch, run
from tests.waiting import turns, until

FAILED = "the journal's thread failed; its traceback says where"


class Said(msgspec.Struct, frozen=True):
    """What a piece of work came to."""

    result: str
    undo: "Callable[[list[str]], Said] | None" = None


Work = Callable[[list[str]], Said]


class Notebook(GroupCommit[list[str], Said]):
    """Commits words to a list, a batch at a time; with `shut_gate`, not before `open_gate`."""

    def __init__(self, order: Sequence[object] = (), fault: Exception | None = None) -> None:
        self.applied: list[Said] = []
        self.ended = asyncio.Event()
        super().__init__(self.applied.append, self.ended.set, order)
        self.words: list[str] = []
        self.batches: list[int] = []
        self.at_work = threading.Event()
        self.begun: list[tuple[int, bool]] = []
        self.clumsy = False
        self._fault = fault
        self._gate = threading.Event()
        if fault is None:
            self.open_gate()
        self.start()

    def shut_gate(self) -> None:
        """Commit nothing from now on."""
        self.at_work.clear()
        self._gate.clear()

    def open_gate(self) -> None:
        """Commit what was held up, and what comes."""
        self._gate.set()

    def begin(self, batch: Batch[list[str], Said]) -> None:
        """Note in which thread it is, and whether the other one is at rest."""
        self.begun.append((threading.get_ident(), not self.at_work.is_set()))
        if self.clumsy:
            raise ZeroDivisionError

    def commit(self, batch: Batch[list[str], Said]) -> None:
        """Say it all."""
        self.at_work.set()
        self._gate.wait()
        self.batches.append(sum(map(len, batch)))
        for group in batch:
            run(group, self.words)

    def owes(self) -> bool:
        """Always."""
        return True

    def after(self) -> None:
        """At rest from now on."""
        self.at_work.clear()

    def rest(self) -> float | None:
        """None, if `before` is to fail."""
        return None if self._fault is None else 0.0

    def before(self) -> None:
        """Fail, if it is to."""
        if self._fault is not None:
            self.at_work.set()
            self._gate.wait()
            raise self._fault

    def shut(self) -> None:
        """Say so."""
        self.words.append("shut")


def say(word: str, undo: Work | None = None) -> Work:
    """Work that is one word."""

    def work(words: list[str]) -> Said:
        words.append(word)
        return Said(word, undo)

    return work


def say_all(entries: Sequence[str], words: list[str]) -> list[Said]:
    """Work that is shared."""
    words.append("+".join(entries))
    return [Said(entry) for entry in entries]


def fail(_: list[str]) -> Said:
    """Work with a fault of our own."""
    raise ZeroDivisionError


@pytest.mark.parametrize(("pieces", "first"), [(1, 1), (3, 3), (40, 5)])
async def test_a_commit_waits_for_what_the_next_turns_bring(pieces: int, first: int) -> None:
    """A few turns of the loop at most, and none in which nothing came."""
    notebook = Notebook()
    async with asyncio.TaskGroup() as tasks:
        for number in range(pieces):
            tasks.create_task(notebook.write(say(str(number))))
            await turns(1)

    assert notebook.batches[0] == first
    await notebook.close()


async def test_a_commit_that_has_enough_does_not_wait() -> None:
    """What comes a turn later is the next one's."""
    notebook = Notebook()
    async with asyncio.TaskGroup() as tasks:
        for number in range(64):
            tasks.create_task(notebook.write(say(str(number))))
        await turns(1)
        tasks.create_task(notebook.write(say("late")))

    assert notebook.batches == [64, 1]
    await notebook.close()


async def test_what_a_caller_cancelled_during_the_commit_asked_for_is_taken_back() -> None:
    """It is committed all the same, and nobody ever learns of it."""
    notebook = Notebook()
    notebook.shut_gate()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(notebook.write(say("claim", undo=say("give back"))))
        await until(notebook.at_work.is_set)
        task.cancel()
        notebook.open_gate()
    await notebook.close()

    assert task.cancelled()
    assert notebook.words == ["claim", "give back", "shut"]
    assert [said.result for said in notebook.applied] == ["claim", "give back"]


async def test_what_a_caller_cancelled_with_its_answer_asked_for_is_taken_back() -> None:
    """The answer is there, but its caller never sees it."""
    notebook = Notebook()
    notebook.shut_gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(notebook.write(say("first")))
        await until(notebook.at_work.is_set)
        task = group.create_task(notebook.write(say("claim", undo=say("give back"))))
        await turns()

        def cancel(_: Said | None) -> None:
            task.cancel()

        # Answered in the same turn of the loop, a moment after the claim.
        group.create_task(notebook.share(say_all, "last", cancel))
        await turns()
        notebook.open_gate()
    await notebook.close()

    assert task.cancelled()
    assert notebook.words == ["first", "claim", "last", "give back", "shut"]


async def test_what_is_recalled_before_its_turn_is_never_done() -> None:
    """Its caller was told so; whoever was to hear of it does, and nothing of it is kept."""
    notebook = Notebook()
    notebook.shut_gate()
    told: list[Said | None] = []
    async with asyncio.TaskGroup() as group:
        early = group.create_task(notebook.share(say_all, "early", recall=True))
        await until(notebook.at_work.is_set)
        late = [group.create_task(notebook.share(say_all, word, told.append, recall=True)) for word in "abc"]
        kept = group.create_task(notebook.share(say_all, "kept"))
        await turns()
        for task in (early, *late[:2], kept):
            task.cancel()
        await turns()
        assert (notebook.waiting, told) == (2, [None, None])
        notebook.open_gate()
    await notebook.close()

    assert notebook.words == ["early", "c+kept", "shut"]
    assert told[2:] == [Said("c")]


async def test_where_all_is_recalled_the_thread_goes_on() -> None:
    """Nothing to be done is not the end."""
    notebook = Notebook()
    for _ in range(3):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(notebook.share(say_all, "never", recall=True))
            await turns(1)
            task.cancel()
        await turns()

    async with asyncio.timeout(60):
        assert await notebook.write(say("word")) == "word"
    await notebook.close()
    assert notebook.words == ["word", "shut"]


async def test_all_that_waits_is_one_batch_in_its_order() -> None:
    """What is shared comes where the first of it came, or where the order says; what is alone is alone."""
    notebook = Notebook(order=[say_all])
    notebook.shut_gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(notebook.write(say("first")))
        await until(notebook.at_work.is_set)
        for word in ("one", "two"):
            group.create_task(notebook.write(say(word)))
            group.create_task(notebook.share(say_all, f"{word} shared"))
        group.create_task(notebook.write(say("alone"), alone=True))
        group.create_task(notebook.write(say("three")))
        await turns()
        notebook.open_gate()
    await notebook.close()

    assert notebook.words == ["first", "one shared+two shared", "one", "two", "alone", "three", "shut"]
    assert notebook.batches == [1, 4, 1, 1]
    assert [said.result for said in notebook.applied[1:5]] == ["one shared", "two shared", "one", "two"]


async def test_what_is_begun_in_the_loop_never_meets_the_thread() -> None:
    """The thread has done with a batch, and with what it owed after it, before the next one is begun."""
    notebook = Notebook()
    notebook.shut_gate()
    async with asyncio.TaskGroup() as group:
        group.create_task(notebook.write(say("first")))
        await until(notebook.at_work.is_set)
        for turn in range(20):
            group.create_task(notebook.write(say(str(turn)), alone=turn % 2 == 0))
        await turns()
        assert len(notebook.begun) == 1
        notebook.open_gate()
    await notebook.close()

    assert set(notebook.begun) == {(threading.get_ident(), True)}
    assert notebook.words == ["first", *map(str, range(20)), "shut"]


async def test_a_fault_in_what_is_begun_in_the_loop_leaves_nobody_waiting() -> None:
    """It is told, and the thread goes on with the batch."""
    notebook = Notebook()
    notebook.clumsy = True
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: told.append(fault["exception"]))
    async with asyncio.timeout(60):
        assert await notebook.write(say("word")) == "word"
    await notebook.close()

    assert [type(fault) for fault in told] == [ZeroDivisionError] * 2
    assert notebook.words == ["word", "shut"]


async def test_after_the_end_nothing_is_taken_on() -> None:
    """Who comes too late is told so, in every way that it asked for."""
    notebook = Notebook()
    await notebook.close()
    told: list[Said | None] = []

    with pytest.raises(JournalUnavailable, match=r"^the journal is closed$"):
        await notebook.share(say_all, "late", told.append)

    assert told == [None]
    assert notebook.words == ["shut"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_waits_to_run_alone_is_told_when_the_thread_fails() -> None:
    """It is in no transaction yet, and in the queue no more."""
    notebook = Notebook()
    told: list[str] = []

    async def write(work: Work, *, alone: bool) -> None:
        with pytest.raises(JournalBroken) as caught:
            await notebook.write(work, alone=alone)
        told.append(str(caught.value))

    notebook.shut_gate()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(notebook.write(say("first")))
        await until(notebook.at_work.is_set)
        group.create_task(write(fail, alone=False))
        group.create_task(write(say("never"), alone=True))
        await turns()
        notebook.open_gate()
    # The thread's last words must not be heard in the next test.
    await notebook.close()

    assert told == [FAILED] * 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_fails_while_nothing_waits_is_not_called_closed() -> None:
    """Else the process would live on without a journal."""
    notebook = Notebook(fault=ZeroDivisionError())
    notebook.open_gate()
    async with asyncio.timeout(60):
        await notebook.ended.wait()

    with pytest.raises(JournalBroken, match=f"^{FAILED}$"):
        await notebook.write(say("late"))
    await notebook.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_is_handed_over_while_the_thread_fails_is_told() -> None:
    """Nobody looks into its queue any more."""
    notebook = Notebook(fault=ZeroDivisionError())
    await until(notebook.at_work.is_set)
    asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, notebook.open_gate)
    async with asyncio.timeout(60):
        with pytest.raises(JournalBroken, match=f"^{FAILED}$"):
            await notebook.write(say("never"))
    await notebook.close()

    assert notebook.begun

    assert notebook.words == ["shut"]
