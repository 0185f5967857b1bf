"""A trace as a graph: steps in order, and which step's write another context found.

DOT for Graphviz, GraphML for tools such as Gephi or yEd.
"""

from __future__ import annotations

import networkx as nx

from counterexamples.rows import clean
from counterexamples.trace import Trace, lanes_of


def graph_of(trace: Trace) -> nx.DiGraph:
    """Nodes are step numbers; an edge `then` is the order, `found` carries a value between lanes.

    An edge that is both has the kind `found`.
    """
    graph = nx.DiGraph(
        design=clean(trace.identity.design), property=trace.property, message=clean(trace.message)
    )
    writer: dict[str, int] = {}
    lane_of: dict[int, str] = {}
    for step in trace.steps:
        lane_of[step.number] = step.lane
        graph.add_node(
            step.number,
            label=clean(step.statement.text or step.transition),
            lane=clean(step.lane),
            place=clean(str(step.statement)),
            changes=clean("; ".join(f"{c.cell}: {c.before} → {c.after}" for c in step.changes)),
        )
        if step.number > 1:
            graph.add_edge(step.number - 1, step.number, kind="then", cell="")
        for read in step.reads:
            source = writer.get(read.cell)
            if source is not None and lane_of[source] != step.lane:
                graph.add_edge(source, step.number, kind="found", cell=clean(read.cell))
        for change in step.changes:
            if change.scope == "shared":
                writer[change.cell] = step.number
    return graph


def to_dot(trace: Trace) -> str:
    """The graph for Graphviz, one cluster per lane."""
    graph = graph_of(trace)
    lines = ["digraph trace {", "  rankdir=TB;", "  node [shape=box, fontname=monospace];"]
    for number, lane in enumerate(lanes_of(trace)):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted(lane)};"]
        for node, data in graph.nodes(data=True):
            if data["lane"] == clean(lane):
                parts = [f"{node}. {data['label']}", data["place"], data["changes"]]
                label = "\n".join(part for part in parts if part)
                lines.append(f"    {node} [label={_quoted(label)}];")
        lines.append("  }")
    for source, target, data in graph.edges(data=True):
        style = "" if data["kind"] == "then" else f" [style=dashed, label={_quoted(data['cell'])}]"
        lines.append(f"  {source} -> {target}{style};")
    return "\n".join([*lines, "}", ""])


def to_graphml(trace: Trace) -> str:
    """The graph as GraphML."""
    return "\n".join(nx.generate_graphml(graph_of(trace))) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
