"""Runs jobs in processes of their own, a few at a time.

A process each: its memory is given back when it ends, and if the system kills it, only its own
verdicts are lost. Ctrl-C reaches this process alone; the children are told to stop through their
pipes, and hand back what they have covered. A child that has not begun to search hears nothing
while it builds its machine or the C compiler runs; it is ended from here, with what it has started.

Processes are forked where this one has a single thread, so that they need not load everything
again; with more threads, one of which could hold a lock for ever in the child, they are spawned.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from engines.explicit.compiler import CompilerError
from engines.explicit.explore import Progress
from engines.result import EngineDisagreement
from model.language.source import CompileError
from model.language.word_error import WordError
from nolock.errors import InputError
from nolock.explored import Failure

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 2.0
"""How long a child that has not begun to search may take to hear that it must stop."""


@dataclass(frozen=True)
class Task:
    """`work(argument, report)` in a process; `report` sends what it is given to the parent.

    `seconds` is the time limit of the work, which itself keeps to it once its search has begun.
    """

    key: str
    work: Callable[[Any, Callable[[Any], None]], Any]
    argument: Any
    weight: float = 1.0
    seconds: float | None = None


@dataclass(frozen=True)
class Hooks:
    """What to call when a task begins, says something, or has ended with a result."""

    began: Callable[[str], None] = lambda key: None
    said: Callable[[str, Any], None] = lambda key, message: None
    ended: Callable[[str, Any], None] = lambda key, result: None


@dataclass
class _Running:
    task: Task
    process: BaseProcess
    pipe: Connection
    began: float = field(default_factory=time.monotonic)
    searching: bool = False

    def kill(self) -> None:
        """End it and the compiler that it may have started."""
        try:
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # no group of its own yet, or gone
            self.process.kill()


@dataclass
class _Interrupt:
    """Set by the first Ctrl-C; the second one ends everything at once."""

    seen: bool = False
    told: dict[str, float] = field(default_factory=dict)


def run_tasks(
    tasks: Sequence[Task],
    at_once: int,
    hooks: Hooks,
    stop_at: Callable[[Any], None] = lambda result: None,
) -> dict[str, Any]:
    """Run all, the largest first; the results by key, a `Failure` where there is none.

    `stop_at` sees each result and may raise, which ends everything. After Ctrl-C nothing more is
    begun, and what runs ends with what it has covered.
    """
    waiting = sorted(tasks, key=lambda task: task.weight)
    running: dict[str, _Running] = {}
    results: dict[str, Any] = {}
    with _interrupts_noted() as interrupt, _temporary_folder() as temporary:
        try:
            while waiting or running:
                while waiting and len(running) < at_once and not interrupt.seen:
                    task = waiting.pop()
                    running[task.key] = _start(task, running.values(), temporary)
                    hooks.began(task.key)
                if interrupt.seen:
                    for task in waiting:
                        results[task.key] = Failure("interrupted", "not begun: interrupted")
                    waiting = []
                    _tell(running, interrupt)
                for one in _ready(running):
                    if _hear(one, results, hooks):
                        del running[one.task.key]
                        stop_at(results[one.task.key])
                for one in list(running.values()):
                    if overdue := _overdue(one, interrupt):
                        one.kill()
                        results[one.task.key] = overdue
                        hooks.ended(one.task.key, overdue)
                        del running[one.task.key]
        finally:
            for one in running.values():
                one.kill()
    return {task.key: results[task.key] for task in tasks}


def _start(task: Task, running: Iterable[_Running], temporary: str | None) -> _Running:
    forked = threading.active_count() == 1
    fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
    process_of: type[BaseProcess] = fork.Process if forked else spawn.Process
    ours, theirs = multiprocessing.Pipe()
    # The ends of pipes that a forked child would keep open: nobody would hear that we are gone.
    not_theirs = [ours, *(other.pipe for other in running)] if forked else []
    # Children inherit an ignored SIGINT from their first moment; a handler of our own could
    # otherwise not be in place before the interpreter has started.
    process = process_of(target=_child, args=(task, theirs, not_theirs, temporary), daemon=True)
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
    else:
        process.start()
    theirs.close()
    return _Running(task, process, ours)


def _ready(running: dict[str, _Running]) -> list[_Running]:
    by_pipe = {one.pipe: one for one in running.values()}
    return [
        by_pipe[pipe] for pipe in wait(list(by_pipe), _POLL_SECONDS) if isinstance(pipe, Connection)
    ]


def _hear(one: _Running, results: dict[str, Any], hooks: Hooks) -> bool:
    """Take one message; whether the task has ended."""
    try:
        kind, content = one.pipe.recv()
    except (EOFError, OSError):
        one.process.join()
        kind, content = "ended", _died(one.process.exitcode)
    if kind == "said":
        one.searching = one.searching or isinstance(content, Progress)
        hooks.said(one.task.key, content)
        return False
    one.process.join()
    one.pipe.close()
    results[one.task.key] = content
    hooks.ended(one.task.key, content)
    return True


def _died(code: int | None) -> Failure:
    if code == -signal.SIGKILL:
        return Failure("memory", "killed by the system, most likely for lack of memory")
    return Failure("crash", f"its process ended with code {code} and no result")


def _tell(running: dict[str, _Running], interrupt: _Interrupt) -> None:
    for key, one in running.items():
        if key not in interrupt.told:
            interrupt.told[key] = time.monotonic()
            try:
                one.pipe.send("stop")
            except OSError:
                continue  # it has just ended; its result or its end is in the pipe


def _overdue(one: _Running, interrupt: _Interrupt) -> Failure | None:
    """The result of a task that must stop and cannot hear it."""
    if one.searching:
        return None
    now = time.monotonic()
    if now - interrupt.told.get(one.task.key, now) > _PATIENCE_SECONDS:
        return Failure("interrupted", "interrupted before its search began")
    if one.task.seconds is not None and now - one.began > one.task.seconds + _PATIENCE_SECONDS:
        return Failure("time", "the time limit was reached before the search began")
    return None


@contextmanager
def _interrupts_noted() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # Python lets only the main thread handle signals
        return

    def note(_signal: int, _frame: FrameType | None) -> None:
        if interrupt.seen:
            raise KeyboardInterrupt
        interrupt.seen = True

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --- in the child --------------------------------------------------------------------------------


@contextmanager
def _temporary_folder() -> Iterator[str | None]:
    """For all that the children put into temporary files: one that is killed leaves them behind."""
    try:
        folder = tempfile.mkdtemp(prefix="nolock-")
    except OSError:
        yield None  # nowhere to write; whoever needs to will say so
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _child(
    task: Task, pipe: Connection, not_ours: Sequence[Connection], temporary: str | None
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for inherited in not_ours:
        inherited.close()
    if temporary is not None:
        tempfile.tempdir = os.environ["TMPDIR"] = temporary
    os.setpgid(0, 0)  # with the compiler it may start, so that both can be ended together

    def report(message: Any) -> None:
        pipe.send(("said", message))
        if pipe.poll():
            raise KeyboardInterrupt

    try:
        result = task.work(task.argument, report)
    except KeyboardInterrupt:
        result = Failure("interrupted", "interrupted before its search began")
    except (CompileError, WordError, InputError) as error:
        result = Failure("input", str(error))
    except CompilerError as error:
        result = Failure("compiler", str(error))
    except EngineDisagreement as error:
        result = Failure("disagreement", str(error))
    except MemoryError as error:
        result = Failure("memory", str(error) or "out of memory")
    except BrokenPipeError:
        return  # the parent is gone
    except Exception as error:
        text = f"a bug in nolock: {type(error).__name__}: {error}"
        result = Failure("crash", text, traceback.format_exc())
    pipe.send(("ended", result))
