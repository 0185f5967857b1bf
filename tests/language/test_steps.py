"""What is one step: how statements are split, and what an atomic body joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from model.language import fold
from model.language.interpreter import State, Successor, successors
from model.language.machine import Check, InSet, Machine, Store, Transition
from tests.language.files import compiled

HEAD = """\
from model.language.syntax import (
    NULL, Cookie, Range, action, age_cookies, at_probe_point, atomic, cfg, check, choose,
    choose_or_null, cookie, elapsed, event, goal, inline, instances, invariant, on, process,
    pure, require, routine, tracepoint, wait_until,
)

from .base import Box, Log, Table, Who, work


"""


def machine_of(
    folder: Path,
    body: str,
    more: str = "",
    config: Mapping[str, int] = {},
    properties: tuple[str, ...] = (),
    kind: str = "routine",
) -> Machine:
    """A design whose entry has this body. Everything is observed, so that nothing is dropped."""
    lines = "\n".join("    " + line for line in body.strip().splitlines())
    entry = f"@{kind}(entry=(work,))\ndef use(box: Box) -> None:\n{lines}\n"
    observed = (
        "Log.a + Log.b + Log.c + Table.total >= 0 and Table.first == Table.first and "
        "all(b.n >= 0 and (b.full or not b.full) and b.next == b.next and b.items[0] >= 0 "
        "and b.items[1] >= 0 and b.colour == b.colour and (elapsed(b.snap) or True) for b in Box)"
    )
    watch = f'@goal("no_lost_objects", "seen")\ndef seen() -> bool:\n    return {observed}\n'
    return compiled(folder, f"{HEAD}{entry}\n\n{more}\n\n{watch}", config, properties)


def steps(machine: Machine) -> list[Transition]:
    """The steps of the process, in program order."""
    return [tr for tr in machine.transitions if tr.process == "work"]


def texts(machine: Machine) -> list[str]:
    """The source text of each step."""
    return [tr.where.text for tr in steps(machine)]


def accesses(tr: Transition) -> tuple[list[str], list[str]]:
    """Shared variables that a step reads and writes."""
    shared = {"Box", "Log", "Table"}
    read = [load.var for e in fold.expressions(tr.body) for load in fold.loads(e)]
    written = [op.var for op in fold.flat(tr.body) if isinstance(op, Store)]
    return tuple(  # type: ignore[return-value]  # two of them
        [v for v in names if v.split(".")[0] in shared] for names in (read, written)
    )


def cell(machine: Machine, state: State, name: str, index: int = 0) -> int:
    """The value of a cell."""
    return state[machine.offset[name] + index]


def run(
    machine: Machine, choices: Iterable[int] = (), instance: tuple[int, int] = (1, 1)
) -> tuple[State, Successor | None]:
    """Start the process with box `instance[1]` and let it run to its end, or to a violation."""
    begin = next(tr for tr in machine.actions if tr.name == "begin")
    first = dict(zip(("who", "box"), instance, strict=True))
    started = next(
        s
        for s in successors(machine, machine.initial)
        if s.firing.transition is begin and dict(s.firing.args) == first
    )
    if started.violated is not None:
        return started.state, started
    state = started.state
    left = iter(choices)
    while True:
        options = [s for s in successors(machine, state) if s.firing.instance is not None]
        if not options:
            return state, None
        chosen = options[next(left) if len(options) > 1 else 0]
        if chosen.violated is not None:
            return chosen.state, chosen
        state = chosen.state


def reachable(machine: Machine) -> Iterator[State]:
    """Every state that can be reached."""
    seen, todo = {machine.initial}, [machine.initial]
    while todo:
        state = todo.pop()
        yield state
        for one in successors(machine, state):
            if one.violated is None and one.state not in seen:
                seen.add(one.state)
                todo.append(one.state)


# --- splitting ----------------------------------------------------------------------------------


def test_a_read_and_a_write_are_two_steps(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "Log.a = Log.b")
    assert [accesses(tr) for tr in steps(machine)] == [(["Log.b"], []), ([], ["Log.a"])]


def test_an_update_is_a_read_and_a_write(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "Log.a += 1")
    assert [accesses(tr) for tr in steps(machine)] == [(["Log.a"], []), ([], ["Log.a"])]


def test_an_update_finds_its_place_once(tmp_path: Path) -> None:
    """Guards against `a.next.n += 1` that follows the link twice and writes somewhere else."""
    machine = machine_of(tmp_path, "Table.first = box\nTable.first.n += 1")
    reads = [name for tr in steps(machine) for name in accesses(tr)[0]]
    assert reads == ["Table.first", "Box.n"]
    state, _ = run(machine)
    assert cell(machine, state, "Box.n") == 1


def test_each_operand_is_a_step(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "Log.a = Log.b + Log.c + Log.b")
    assert [tr for tr in steps(machine) if accesses(tr)[0]][2:] and len(steps(machine)) == 4


def test_an_atomic_body_is_one_step(tmp_path: Path) -> None:
    machine = machine_of(
        tmp_path, "Log.a = Log.b\nLog.b += 1\nif Log.a > 0:\n    Log.c = 1", kind="atomic"
    )
    assert len(steps(machine)) == 1


def test_locals_cost_no_step(tmp_path: Path) -> None:
    machine = machine_of(
        tmp_path, "x: Range[0, 9] = 1\nx = x + 1\nif x == 2:\n    x = 5\nLog.a = x"
    )
    assert len(steps(machine)) == 1
    assert cell(machine, run(machine)[0], "Log.a") == 5


# --- evaluation ---------------------------------------------------------------------------------


def test_and_reads_the_second_operand_only_if_needed(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "if box.full and box.next.full:\n    Log.a = 1")
    state, violation = run(machine)
    assert violation is None and cell(machine, state, "Log.a") == 0
    assert texts(machine)[:2] == ["if box.full and box.next.full:"] * 2


@pytest.mark.parametrize("kind", ["routine", "atomic"])
def test_the_side_that_is_not_chosen_is_not_evaluated(kind: str, tmp_path: Path) -> None:
    """Guards against a NULL dereference reported in `x.n if x != NULL else 0`."""
    body = "first = Table.first\nLog.a = first.n if first != NULL else 7"
    machine = machine_of(tmp_path, body, kind=kind)
    state, violation = run(machine)
    assert violation is None and cell(machine, state, "Log.a") == 7


def test_a_check_in_a_branch_belongs_to_the_branch(tmp_path: Path) -> None:
    """Guards against a NULL test of one branch that is made on the other one too."""
    body = "first = Table.first\nif first != NULL:\n    lock = first.lock\nLog.a = 1"
    assert run(machine_of(tmp_path, body))[1] is None


@pytest.mark.parametrize("value", [0, 1])
def test_early_return(value: int, tmp_path: Path) -> None:
    more = "@inline\ndef f(n: Range[0, 1]) -> Range[0, 5]:\n    if n == 1:\n        return 5\n"
    more += "    Log.b = 1\n    return 3\n"
    machine = machine_of(tmp_path, f"x = f({value})\nLog.a = x", more)
    state, _ = run(machine)
    assert cell(machine, state, "Log.a") == (5 if value else 3)
    assert cell(machine, state, "Log.b") == 1 - value


def test_break_and_continue(tmp_path: Path) -> None:
    body = """
i: Range[0, 9] = 0
while True:
    Log.c += 1
    i = i + 1
    if i == 2:
        continue
    if i == 5:
        break
    Log.a += 1
Log.b = i
"""
    machine = machine_of(tmp_path, body)
    state, _ = run(machine)
    assert (cell(machine, state, "Log.a"), cell(machine, state, "Log.b")) == (3, 5)


def test_unrolled_loops(tmp_path: Path) -> None:
    body = """
for i in range(3):
    if i == 1:
        continue
    Log.a += 1
for b in Box:
    b.n = 2
    if b == box:
        break
"""
    machine = machine_of(tmp_path, body)
    state, _ = run(machine)
    assert cell(machine, state, "Log.a") == 2
    assert [cell(machine, state, "Box.n", i) for i in (0, 1)] == [2, 0]


def test_names_of_one_branch_do_not_leak(tmp_path: Path) -> None:
    """Guards against a pure function that sees the names of the branch not taken."""
    more = (
        "@pure\ndef f(b: bool) -> Range[0, 9]:\n    x = 1\n    if b:\n        x = 2\n    return x\n"
    )
    machine = machine_of(tmp_path, "Log.a = f(False)\nLog.b = f(box.full)", more)
    state, _ = run(machine)
    assert (cell(machine, state, "Log.a"), cell(machine, state, "Log.b")) == (1, 1)


def test_a_routine_may_have_the_name_of_a_word(tmp_path: Path) -> None:
    """Guards against a routine `event` taken for the word of the language."""
    source = (
        "from model.language.syntax import goal, routine\n\nfrom .base import Box, Log, work\n\n\n"
        "@routine()\ndef event(box: Box) -> None:\n    Log.a = 1\n\n\n"
        "@routine(entry=(work,))\ndef use(box: Box) -> None:\n    event(box)\n\n\n"
        '@goal("no_lost_objects", "x")\ndef g() -> bool:\n    return Log.a == 0\n'
    )
    machine = compiled(tmp_path, source)
    assert cell(machine, run(machine)[0], "Log.a") == 1


# --- choice and waiting -------------------------------------------------------------------------


def test_choose(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "x = choose(range(2, 5))\nLog.a = x")
    assert [cell(machine, run(machine, [i])[0], "Log.a") for i in range(3)] == [2, 3, 4]


def test_choose_an_instance_or_null(tmp_path: Path) -> None:
    body = "x = choose_or_null(b for b in Box if b != box)\nTable.first = x"
    machine = machine_of(tmp_path, body)
    found = [cell(machine, run(machine, [i])[0], "Table.first") for i in range(2)]
    assert found == [0, 2]


def test_choice_of_a_declared_local(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "x: Range[0, 5] = choose(range(2, 4))\nx = x + 1\nLog.a = x")
    assert [cell(machine, run(machine, [i])[0], "Log.a") for i in range(2)] == [3, 4]


@pytest.mark.parametrize("how", ["wait_until(Log.b == 1)", "wait(box)"])
def test_wait_until_blocks(how: str, tmp_path: Path) -> None:
    more = "@atomic\ndef wait(box: Box) -> None:\n    wait_until(Log.b == 1)\n    Log.c = 1\n"
    more += "\n\n@action()\ndef wake() -> None:\n    require(Log.b == 0)\n    Log.b = 1\n"
    machine = machine_of(tmp_path, f"Log.a = 1\n{how}\nLog.a = 2", more)
    state, _ = run(machine)
    assert cell(machine, state, "Log.a") == 1
    assert cell(machine, state, "work.pc") != 0
    woken = next(s.state for s in successors(machine, state) if s.firing.transition.name == "wake")
    while any(s.firing.instance is not None for s in successors(machine, woken)):
        woken = next(s.state for s in successors(machine, woken) if s.firing.instance is not None)
    assert cell(machine, woken, "Log.a") == 2


# --- errors at run time -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("first = Table.first\nfirst.n = 1", "`first` is NULL"),
        ("n = box.n\nbox.n = n + 4", "`Box.n` leaves Range[0, 3]"),
        ("n: Range[0, 1] = box.n + 2\nLog.a = n", "the value leaves Range[0, 1]"),
        ("n = box.n + 2\nbox.items[n] = 1", "index of `items` is out of range"),
        ("f(box.n + 2)", "`n` of `f` leaves Range[0, 1]"),
        ("Table.first.n += 1", "`Table.first` is NULL"),
    ],
)
def test_a_model_error_is_found_at_run_time(body: str, message: str, tmp_path: Path) -> None:
    more = "@inline\ndef f(n: Range[0, 1]) -> None:\n    Log.a = n\n"
    _, violation = run(machine_of(tmp_path, body, more))
    assert violation is not None and isinstance(violation.violated, Check)
    assert (violation.violated.prop, violation.violated.message) == ("model_error", message)
    assert violation.violated.where.line > 0


# --- locals -------------------------------------------------------------------------------------


def test_dead_locals_are_zero(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "x = Log.a\nLog.b = x\nLog.c = 1\nLog.c = 2")
    slots = [var for var in machine.variables if var.role == "local"]
    assert slots
    for state in reachable(machine):
        if cell(machine, state, "work.pc") in (0, 3, 4):
            assert all(cell(machine, state, var.name) == 0 for var in slots)


def test_locals_share_a_cell_within_a_group_only(tmp_path: Path) -> None:
    """Guards against a number that is renamed as an object, or a cookie that is not aged."""
    body = """
x = Log.a
Log.b = x
y = box.next
Table.first = y
z = box.snap
box.snap = z
w = Log.c
Log.b = w
"""
    machine = machine_of(tmp_path, body)
    slots = {var.name: var.type for var in machine.variables if var.role == "local"}
    kinds = [(kind.kind, kind.name) for kind in slots.values()]
    assert ("cookie", "") in kinds and ("ref", "Box") in kinds
    assert "work.x|w" in slots


# --- cookies ------------------------------------------------------------------------------------

AGES = "@action()\ndef ages() -> None:\n    require(Log.b == 0)\n    Log.b = 1\n    age_cookies()\n"


def test_shared_cookies_age(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "box.snap = cookie(2)", AGES)
    state, _ = run(machine)
    assert cell(machine, state, "Box.snap") == 2
    aged = next(s.state for s in successors(machine, state) if s.firing.transition.name == "ages")
    assert cell(machine, aged, "Box.snap") == 1


def test_a_cookie_between_read_and_write_ages(tmp_path: Path) -> None:
    """Guards against the false lost object of a cookie that nobody aged."""
    machine = machine_of(
        tmp_path, "Log.a = 1\nsnap = box.snap\nTable.total = 1\nbox.snap = snap", AGES
    )
    held = [
        var.name for var in machine.variables if var.role == "local" and var.type.kind == "cookie"
    ]
    assert len(held) == 1
    aged = next(tr for tr in machine.transitions if tr.name == "ages")
    names = {name for op in aged.body for name in getattr(op, "variables", ())}
    assert names == {"Box.snap", *held}


# --- provenance ---------------------------------------------------------------------------------


def test_provenance(tmp_path: Path) -> None:
    more = '@routine(models="mm/x.c: f")\ndef f(box: Box) -> None:\n    g(box)\n\n\n'
    more += "@atomic\ndef g(box: Box) -> None:\n    box.n = 1\n"
    machine = machine_of(tmp_path, "f(box)", more)
    (step,) = steps(machine)
    assert step.where.text == "g(box)"
    assert step.where.file.endswith("model.py")
    assert [frame.routine for frame in step.where.chain] == ["work", "use", "f", "g"]
    assert [frame.models for frame in step.where.chain][2] == "mm/x.c: f"
    assert step.where.chain[1].text == "f(box)"


def test_text_of_a_compound_statement_is_its_first_line(tmp_path: Path) -> None:
    machine = machine_of(tmp_path, "if box.full:\n    Log.a = 1\nwhile box.full:\n    Log.a = 2")
    assert texts(machine)[0] == "if box.full:" and "while box.full:" in texts(machine)


# --- probe points, monitors, configuration ------------------------------------------------------


def marks(machine: Machine) -> list[str]:
    """The text of the steps before which a probe can hit."""
    process = machine.process["work"]
    return [tr.where.text for tr in steps(machine) if tr.pc in process.marks]


def test_probe_points_are_entries_exits_and_tracepoints(tmp_path: Path) -> None:
    more = "@routine()\ndef f(box: Box) -> None:\n    Log.b = 1\n    Log.b = 2\n\n\n"
    more += "@inline\ndef g(box: Box) -> None:\n    Log.c = 1\n"
    body = "Log.a = 1\nf(box)\nLog.a = 2\ng(box)\nLog.a = 3\ntracepoint()\nLog.a = 4"
    machine = machine_of(tmp_path, body, more)
    assert marks(machine) == ["Log.a = 1", "Log.b = 1", "Log.a = 2", "Log.a = 4"]


def test_at_probe_point_is_a_set_of_program_counters(tmp_path: Path) -> None:
    more = "@action()\ndef hit(who: Who) -> None:\n"
    more += "    require(at_probe_point(work, who))\n    Log.b = 1\n"
    machine = machine_of(tmp_path, "Log.a = 1\nLog.a = 2", more)
    hit = next(tr for tr in machine.actions if tr.name == "hit")
    found = [e for e in fold.walk(hit.guard) if isinstance(e, InSet)]
    assert [e.members for e in found] == [machine.process["work"].marks] == [frozenset({1})]


def test_monitors_run_inside_the_step(tmp_path: Path) -> None:
    more = '@on("done")\ndef done(box: Box) -> None:\n'
    more += '    check("no_double_free", not box.seen, "twice")\n'
    more += "    box.seen = True\n"
    machine = machine_of(
        tmp_path, 'Log.a = 1\nevent("done", box)\nLog.b = 1', more, properties=("no_double_free",)
    )
    assert len(steps(machine)) == 2
    assert any(isinstance(op, Check) for op in steps(machine)[0].body)
    state, violation = run(machine)
    assert violation is None and cell(machine, state, "Box.seen") == 1
    alone = machine_of(tmp_path, 'Log.a = 1\nevent("done", box)\nLog.b = 1', more)
    assert {check.prop for check in alone.checks} == {"model_error"}


def test_knobs_fold(tmp_path: Path) -> None:
    """What a configuration rules out costs neither steps nor state."""
    body = "if cfg.extra:\n    box.items[0] = 1\nLog.a = 1"
    source = HEAD + "@routine(entry=(work,))\ndef use(box: Box) -> None:\n"
    source += "".join(f"    {line}\n" for line in body.splitlines())
    source += '\n\n@goal("no_lost_objects", "x")\ndef g() -> bool:\n'
    source += "    if cfg.extra:\n        return any(b.items[0] == 1 for b in Box)\n"
    source += "    return Log.a == 1\n"
    assert "Box.items" in compiled(tmp_path, source, {"extra": 1}).variable
    without = compiled(tmp_path, source)
    assert "Box.items" not in without.variable and len(steps(without)) == 1


def test_when_leaves_processes_and_actions_out(tmp_path: Path) -> None:
    more = "@process(per=Who, when=cfg.extra)\ndef rare(who: Who) -> None:\n    Log.b = 1\n\n\n"
    more += "@action(when=cfg.extra)\ndef poke() -> None:\n    Log.c = 1\n"
    for extra in (0, 1):
        machine = machine_of(tmp_path, "Log.a = 1", more, {"extra": extra})
        assert ("rare" in machine.process) == bool(extra)
        assert any(tr.name == "poke" for tr in machine.actions) == bool(extra)


def test_when_leaves_entries_out(tmp_path: Path) -> None:
    """Guards against an entry that is offered where its knob is off, and against a lost routine."""
    more = "@routine(entry=(work,), when=cfg.extra)\ndef other(box: Box) -> None:\n    Log.b = 1\n"
    for extra in (0, 1):
        machine = machine_of(tmp_path, "other(box)\nLog.a = 1", more, {"extra": extra})
        choices = [tr for tr in machine.transitions if tr.process == "work" and tr.params]
        assert len(choices) == extra
        state, _ = run(machine, [0] * extra)
        assert [cell(machine, state, f"Log.{x}") for x in "ab"] == [1, 1]


def test_several_entries_are_a_choice(tmp_path: Path) -> None:
    more = "@routine(entry=(work,))\ndef other(box: Box) -> None:\n    Log.b = 1\n\n\n"
    more += "@routine(entry=(work,))\ndef third(box: Box) -> None:\n    Log.c = 1\n"
    machine = machine_of(tmp_path, "Log.a = 1", more)
    for number, name in enumerate(("Log.a", "Log.b", "Log.c")):
        state, _ = run(machine, [number])
        assert [cell(machine, state, f"Log.{x}") for x in "abc"].count(1) == 1
        assert cell(machine, state, name) == 1
