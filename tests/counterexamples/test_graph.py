"""Graphs of traces: readable by the tools they are for."""

from __future__ import annotations

from io import BytesIO

import networkx as nx

from counterexamples.graph import graph_of, to_dot, to_graphml
from tests.counterexamples.hand_built import lockless_nmi, shortest


def test_order_and_values_are_edges() -> None:
    """Guards against a graph that loses who found whose value."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    graph = graph_of(trace)
    assert len(graph) == len(trace.steps)
    found = [(a, b, d["cell"]) for a, b, d in graph.edges(data=True) if d["kind"] == "found"]
    assert (11, 14, "Krcp[0].head") in found
    assert nx.has_path(graph, 1, len(trace.steps))


def test_graphml_can_be_read_back() -> None:
    """Guards against XML that no tool opens."""
    machine = lockless_nmi()
    trace = shortest(machine, "no_lost_objects").trace(machine)
    back = nx.read_graphml(BytesIO(to_graphml(trace).encode()))
    assert len(back) == len(trace.steps)


def test_dot_quotes_what_it_holds() -> None:
    """Guards against statements that end a DOT string."""
    machine = lockless_nmi()
    dot = to_dot(shortest(machine, "no_lost_objects").trace(machine))
    assert dot.startswith("digraph trace {")
    assert 'label="cpu 0 NMI"' in dot
    assert dot.count("{") == dot.count("}")
