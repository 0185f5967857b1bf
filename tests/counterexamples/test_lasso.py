"""Lassos of small designs: found, told, stored, simplified, and refused where they are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from counterexamples.explain import explain
from counterexamples.match import replay_on
from counterexamples.render_terminal import render_text
from counterexamples.replay import ReplayError
from counterexamples.rows import rows_of
from counterexamples.simplify import simplify
from counterexamples.store import from_content, to_json
from counterexamples.trace import Trace, build_trace
from engines.explicit.explore import Options, explore
from model.language.machine import Machine
from tests.counterexamples.lasso_designs import SELF_LINKED, WAITS_FOR_ANOTHER, lasso_machine


def found(machine: Machine, prop: str) -> Trace:
    """The lasso as the engine finds it."""
    violation = explore(machine, Options(engine="python")).violations[prop]
    assert violation.kind == "lasso"
    return build_trace(
        machine, prop, violation.message, "lasso", violation.trace, stem=violation.stem
    )


@pytest.fixture(scope="module")
def self_linked(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("self_linked")
    return lasso_machine(folder, SELF_LINKED, "handler_ends", objects=2, tasks=2)


def test_a_node_linked_to_itself(self_linked: Machine) -> None:
    """Golden text: the loop is marked, and the end says what closes it and who goes round."""
    trace = simplify(self_linked, found(self_linked, "handler_ends"))
    text = render_text(trace, explain(self_linked, trace))
    lines = text.splitlines()
    at = lines.index("        from here for ever:")
    assert "node = node.next" in lines[at + 1]
    words = " ".join(text.split())
    assert (
        "✗ Step 19 for ever, and handler_ends does not hold: a hardirq handler never ends" in words
    )
    assert "Object[1].next is object 1 since step 6, when client 1 ran `llist_add(" in words
    assert (
        "Step 19 ends in the state in which it began, and can repeat for ever: cpu 0 hardirq runs, "
        "and meanwhile nothing else can happen but what comes from outside. Hence handler_ends is "
        "violated: a hardirq handler never ends."
    ) in words


def test_an_nmi_that_waits_for_what_it_interrupted(tmp_path: Path) -> None:
    machine = lasso_machine(tmp_path, WAITS_FOR_ANOTHER, "handler_ends", objects=2, nmis=1)
    trace = simplify(machine, found(machine, "handler_ends"))
    assert trace.message == "an NMI handler never ends"
    loop = trace.steps[trace.stem :]
    assert {step.lane for step in loop} == {"cpu 0 NMI"}
    assert "Toy.busy is yes since step" in explain(machine, trace).paragraph


def test_a_loop_begins_a_row(self_linked: Machine) -> None:
    """Two turns of one statement stand apart where the second is the one that repeats."""
    trace = found(self_linked, "handler_ends")
    assert trace.stem is not None
    assert [row.first for row in rows_of(trace) if row.loops] == [trace.stem + 1]


def test_a_lasso_is_stored_and_replayed(self_linked: Machine) -> None:
    trace = found(self_linked, "handler_ends")
    assert json.loads(to_json(trace))["stem"] == trace.stem
    assert replay_on(from_content(json.loads(to_json(trace))), self_linked) == trace


def test_simplifying_changes_only_the_way_to_the_loop(self_linked: Machine) -> None:
    """A detour before the loop goes, the loop stays; what is left is confirmed as a lasso."""
    trace = found(self_linked, "handler_ends")
    simple = simplify(self_linked, trace)
    assert simple.stem is not None and trace.stem is not None
    assert len(simple.steps) <= len(trace.steps)
    before, after = trace.steps[trace.stem :], simple.steps[simple.stem :]
    assert [step.args for step in before] == [step.args for step in after]
    assert simplify(self_linked, simple) == simple


def test_a_loop_that_begins_elsewhere_is_refused(self_linked: Machine) -> None:
    trace = found(self_linked, "handler_ends")
    with pytest.raises(ReplayError, match="do not lead back to where they begin"):
        replay_on(replace(trace, stem=trace.stem - 3 if trace.stem else 0), self_linked)
    with pytest.raises(ReplayError, match="each goal of no_lost_objects holds somewhere"):
        replay_on(replace(trace, property="no_lost_objects"), self_linked)
