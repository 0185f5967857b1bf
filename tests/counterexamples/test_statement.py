"""Which statement a reader is shown for a step inside the kernel's parts."""

from __future__ import annotations

from pathlib import Path

from counterexamples.statement import inner_routine, statement_of
from model.language.source import Frame, Provenance


def provenance(*chain: Frame, line: int = 104) -> Provenance:
    return Provenance("model/kernel/locks.py", line, 4, "if not lock_or_queue(lock):", chain)


LOCK = Frame("raw_spin_lock", "model/kernel/locks.py", 104)
ATOMIC = Frame("lock_or_queue", "model/kernel/locks.py", 44)


def test_a_step_in_a_lock_is_shown_as_the_designs_statement(tmp_path: Path) -> None:
    """Guards against traces that are told in the words of our own lock model."""
    design = tmp_path / "my_design.py"
    design.write_text("def kvfree_call_rcu():\n    raw_spin_lock(krcp.lock)\n")
    call = Frame("kvfree_call_rcu", str(design), 2)
    where = provenance(call, LOCK, ATOMIC)
    statement = statement_of(where)
    assert (statement.text, statement.line) == ("raw_spin_lock(krcp.lock)", 2)
    assert inner_routine(where, statement) == "raw_spin_lock"


def test_a_variant_of_a_design_is_not_quoted_from_the_file(tmp_path: Path) -> None:
    """Guards against a mutant's trace that shows the statement it replaced."""
    design = tmp_path / "my_design.py"
    design.write_text("def kvfree_call_rcu():\n    something_else()\n")
    statement = statement_of(provenance(Frame("kvfree_call_rcu", str(design), 2), LOCK, ATOMIC))
    assert statement.text == "raw_spin_lock(...)"


def test_a_missing_file_is_no_error() -> None:
    """Guards against a trace that cannot be shown where the design is not."""
    statement = statement_of(provenance(Frame("kvfree_call_rcu", "/nowhere/design.py", 2), LOCK))
    assert statement.text == "raw_spin_lock(...)"


def test_the_kernels_own_handlers_are_shown_by_their_own_statements() -> None:
    """Guards against an interrupt handler collapsed into one row, or told in lock internals."""
    handler = Frame("delayed_work_timer_fn", "model/kernel/workqueue.py", 176)
    statement = statement_of(provenance(handler, LOCK, ATOMIC))
    assert statement.file == "model/kernel/workqueue.py"
    own = Provenance("model/kernel/workqueue.py", 177, 4, "fires = disarm(dwork)", (handler,))
    assert statement_of(own) == own
