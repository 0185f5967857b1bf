"""The flow graph between source and steps.

A `step` node begins a step: the machine can be interrupted just before it. `local` nodes run on
after the step before them, `branch` nodes choose, `mark` nodes are probe points, `end` is where
a process becomes idle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from model.language.fold import TRUE
from model.language.machine import Expr, Op, Parameter
from model.language.source import Provenance

Edge = tuple["Node", Literal["next", "other"]]


@dataclass(eq=False)
class Node:
    """A node; `other` is taken where a branch's condition is false."""

    kind: Literal["step", "local", "branch", "mark", "end"]
    where: Provenance
    number: int = 0
    ops: list[Op] = field(default_factory=list)
    cond: Expr = TRUE
    guard: Expr = TRUE
    params: tuple[Parameter, ...] = ()
    next: Node | None = None
    other: Node | None = None

    def successors(self) -> list[Node]:
        """The nodes that may follow."""
        return [node for node in (self.next, self.other) if node is not None]


class Flow:
    """A flow graph under construction. `open` are the edges that lead to whatever comes next."""

    def __init__(self, where: Provenance) -> None:
        self.entry = Node("local", where)
        self.open: list[Edge] = [(self.entry, "next")]
        self.made = 0
        self.latest: Node = self.entry

    @property
    def reachable(self) -> bool:
        """Whether anything leads here."""
        return bool(self.open)

    def add(self, node: Node) -> Node:
        """Append a node behind every open edge."""
        self.made += 1
        node.number = self.made
        self.to(node)
        self.open = [(node, "next")]
        self.latest = node
        return node

    def to(self, node: Node) -> None:
        """Lead every open edge to an existing node (the back edge of a loop)."""
        for source, side in self.open:
            setattr(source, side, node)
        self.open = []

    def cut(self) -> list[Edge]:
        """Take the open edges away: what follows is not reached from here."""
        edges, self.open = self.open, []
        return edges
