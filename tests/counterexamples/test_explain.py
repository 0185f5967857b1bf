"""Explanations: golden paragraphs, and honesty where a search hits its limit."""

from __future__ import annotations

from counterexamples.explain import explain
from counterexamples.first_wrong import FirstWrong, first_wrong
from counterexamples.match import rematch
from counterexamples.replay import confirm
from model.language.machine import Machine
from tests.counterexamples.hand_built import locking_nmi, lockless_nmi, lost_update, shortest


def paragraph(machine: Machine, prop: str) -> str:
    return explain(machine, shortest(machine, prop).trace(machine)).paragraph


def test_a_failed_check_names_who_made_it_fail() -> None:
    """Golden: the lock holder below the NMI."""
    assert paragraph(locking_nmi(), "self_deadlock") == (
        "At step 3 cpu 0 NMI interrupts cpu 0 task before `obj.next = krcp.head` (sample.py:13). "
        "Krcp[0].lock is yes since step 2, when cpu 0 task ran `raw_spin_lock(krcp.lock)` "
        "(sample.py:12). "
        "Hence self_deadlock is violated: spins on a lock that the context below it holds."
    )


def test_a_lost_object_names_the_window_and_the_overwrite() -> None:
    """Golden: what each side believed, and the step that sealed it."""
    assert paragraph(lockless_nmi(), "no_lost_objects") == (
        "At step 5 cpu 0 NMI interrupts cpu 0 task before `krcp.head = obj` (sample.py:14). "
        "cpu 0 task read Krcp[0].head as NULL at step 3; cpu 0 NMI made it object 2 at step 9 "
        "(`krcp.head = obj`), and `krcp.head = obj` at step 11 overwrites that unseen. "
        "Since step 11 (cpu 0 task, `krcp.head = obj`) nothing points to object 2 any more. "
        "Up to step 4 a good ending could still be reached; "
        "once step 5 (cpu 0 NMI, `nmi calls kvfree_call_rcu`) has happened, none can. "
        "Hence no_lost_objects is violated: an object given to a free call is not freed."
    )


def test_a_lost_update_names_the_old_value() -> None:
    """Golden: a local that was read before another task's write."""
    text = paragraph(lost_update(), "list_integrity")
    assert "made it 1 at step 5 (`counter += 1`), and `counter += 1` at step 6 acts" in text


def test_the_limit_is_admitted() -> None:
    """Guards against a turning point that was not searched to its end."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    text = explain(machine, trace, limit=3).paragraph
    assert "the search stopped at its limit" in text
    assert "could still be reached" not in text


def test_first_wrong_is_the_last_state_with_a_good_ending() -> None:
    """Guards against an answer that is one step off, and against a limit that is not admitted."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    execution = confirm(machine, trace.property, trace.kind, rematch(trace, machine))
    found = first_wrong(execution, trace.property)
    assert (found.step, found.exact) == (5, True)
    admitted = FirstWrong(len(trace.steps), False, 2)
    assert first_wrong(execution, trace.property, limit=1) == admitted
