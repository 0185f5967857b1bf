"""From a flow graph to transitions: program counters, stored locals, and the body of each step.

A step is its node and everything behind it up to the next step: local work costs nothing. Locals
that are still needed at a step boundary live in cells of the process; two of one group (numbers,
cookies, references into one pool) that are never needed at the same time share one. A local that
is no longer needed is set to 0, so that dead values do not multiply states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from model.language import fold
from model.language.flow import Flow, Node
from model.language.machine import (
    Const,
    Dimension,
    Expr,
    If,
    Load,
    Op,
    Param,
    Process,
    Set,
    Store,
    Temp,
    Transition,
    Type,
    Variable,
)
from model.language.source import CompileError

Position = tuple[Node, bool]
"""A step node, and whether a probe point lies just before it."""


MOST_NODES = 2000
"""What follows a branch is written out once for each side, up to this much in one step."""


@dataclass
class Program:
    """A process under construction: its flow graph and what becomes of it."""

    name: str
    record: str
    instances: int
    flow: Flow
    may_run: Expr
    types: dict[str, Type]
    params: dict[str, str]
    group: Callable[[Type], str]
    live: dict[Node, frozenset[str]] = field(default_factory=dict)
    slots: dict[str, str] = field(default_factory=dict)
    slot_types: dict[str, Type] = field(default_factory=dict)
    pcs: dict[Position, int] = field(default_factory=dict)
    order: list[Position] = field(default_factory=list)
    written: int = 0

    # --- liveness and slots -------------------------------------------------------------------

    def analyse(self) -> None:
        """Find what is live where, give locals their cells, and number the steps."""
        nodes = self._nodes()
        uses = {node: _uses_and_sets(node) for node in nodes}
        live: dict[Node, frozenset[str]] = {node: frozenset() for node in nodes}
        changed = True
        while changed:
            changed = False
            for node in reversed(nodes):
                out = frozenset().union(*(live[n] for n in node.successors()))
                used, sets = uses[node]
                new = used | (out - sets)
                if new != live[node]:
                    live[node], changed = new, True
        self.live = live
        for name in live[self.flow.entry] - set(self.params.values()):
            where = next(n.where for n in nodes if name in uses[n][0])
            raise CompileError(
                f"`{name.split('.')[0]}` may be used before it has a value",
                where,
                "assign it on every path",
            )
        self._assign_slots(nodes)
        self._number(nodes)

    def _nodes(self) -> list[Node]:
        found, todo = {self.flow.entry: None}, [self.flow.entry]
        while todo:
            for node in reversed(todo.pop().successors()):
                if node not in found:
                    found[node] = None
                    todo.append(node)
        return sorted(found, key=lambda n: n.number)

    def _assign_slots(self, nodes: list[Node]) -> None:
        """Colour locals so that those live at one step boundary differ; by first use, greedily."""
        together: dict[str, set[str]] = {}
        for node in nodes:
            if node.kind == "step":
                for name in self.live[node]:
                    together.setdefault(name, set()).update(self.live[node])
        for name in sorted(together, key=lambda n: int(n.rsplit(".", 1)[1])):
            kind = _cell_type(self.types[name])
            taken = {self.slots[n] for n in together[name] if n in self.slots and n != name}
            for slot, slot_type in self.slot_types.items():
                if slot not in taken and self.group(slot_type) == self.group(kind):
                    self.slot_types[slot] = _widened(slot_type, kind)
                    break
            else:
                slot = f"slot {len(self.slot_types)}"
                self.slot_types[slot] = kind
            self.slots[name] = slot
        self._name_slots()

    def _name_slots(self) -> None:
        """A cell is named after the locals that share it."""
        names: dict[str, str] = {}
        for slot in self.slot_types:
            users = [n.rsplit(".", 1)[0] for n, used in self.slots.items() if used == slot]
            base = f"{self.name}." + "|".join(list(dict.fromkeys(users))[:3])
            name, n = base, 1
            while name in names.values():
                n += 1
                name = f"{base}#{n}"
            names[slot] = name
        self.slots = {local: names[slot] for local, slot in self.slots.items()}
        self.slot_types = {names[slot]: kind for slot, kind in self.slot_types.items()}

    def _number(self, nodes: list[Node]) -> None:
        """A program counter for every step node, one more where it is also a probe point."""
        found: set[Position] = set()
        for node in nodes:
            if node.kind == "step" or node is self.flow.entry:
                start = node.next if node.kind == "step" else node
                if start is not None:
                    self._boundaries(start, False, found, set(), [])
        self.order = sorted(found, key=lambda p: (p[0].number, p[1]))
        self.pcs = {position: i + 1 for i, position in enumerate(self.order)}

    def _boundaries(
        self,
        node: Node,
        marked: bool,
        found: set[Position],
        seen: set[Position],
        path: list[Node],
    ) -> None:
        """Find the step nodes behind a node, each with whether a probe point lies before it."""
        if node in path:
            raise CompileError(
                "this loop can run for ever without touching shared state",
                node.where,
                "every way round a loop needs a shared access; or use for over a range",
            )
        if (node, marked) in seen:
            return
        seen.add((node, marked))
        if node.kind == "step":
            found.add((node, marked))
            return
        for following in node.successors():
            self._boundaries(following, marked or node.kind == "mark", found, seen, [*path, node])

    # --- bodies -------------------------------------------------------------------------------

    def tail(
        self, node: Node | None, marked: bool, before: frozenset[str], done: tuple[Op, ...]
    ) -> tuple[Op, ...]:
        """Operations from `node` to the next step boundary.

        `before` are the locals whose cells hold something when the step begins, `done` the
        operations since then.
        """
        if node is None:
            raise AssertionError(f"{self.name}: a path without an end")
        self.written += 1
        if self.written > MOST_NODES:
            raise CompileError(
                "this step has too many paths",
                node.where,
                "every early exit of a step doubles what follows; split it, or decide on locals",
            )
        if node.kind == "end":
            return (*done, *self._leave(before, frozenset(), done), self._goto(0))
        if node.kind == "step":
            keep = self.live[node]
            return (*done, *self._leave(before, keep, done), self._goto(self.pcs[node, marked]))
        if node.kind == "branch":
            then = self.tail(node.next, marked, before, (*done, _MARK))
            other = self.tail(node.other, marked, before, (*done, _MARK))
            cut = len(done) + 1
            return (*done, If(node.cond, then[cut:], other[cut:]))
        marked = marked or node.kind == "mark"
        return self.tail(node.next, marked, before, (*done, *node.ops))

    def _goto(self, pc: int) -> Op:
        return Store(f"{self.name}.pc", (Param("self"),), Const(pc))

    def _leave(
        self, before: frozenset[str], keep: frozenset[str], done: tuple[Op, ...]
    ) -> Iterable[Op]:
        """Store the locals that were assigned and are still needed; zero cells that are not."""
        assigned = {op.name for op in fold.flat(done) if isinstance(op, Set)}
        held = {self.slots[name] for name in before}
        needed = {self.slots[name] for name in keep}
        for name in sorted(keep & assigned):
            yield Store(self.slots[name], (Param("self"),), Temp(name))
        for slot in sorted(held - needed):
            yield Store(slot, (Param("self"),), Const(0))

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        """One transition per position, in program order; ids are given later. After `analyse`."""
        made = []
        for node, marked in self.order:
            self.written = 0
            before = self.live[node]
            body = self.tail(node.next, False, before, tuple(node.ops))
            body = self._from_cells(body, before)
            guard = fold.rewrite(node.guard, self._cell)
            name = f"{self.name}@{self.pcs[node, marked]}"
            made.append(
                Transition(
                    -1,
                    name,
                    self.name,
                    self.pcs[node, marked],
                    node.params,
                    guard,
                    body,
                    node.where,
                )
            )
        return tuple(made)

    def start(self, values: dict[str, Expr]) -> tuple[Op, ...]:
        """Operations by which an idle instance begins to run with these arguments."""
        self.written = 0
        sets = tuple(Set(self.params[name], value) for name, value in values.items())
        return fold.without_unused(self.tail(self.flow.entry, False, frozenset(), sets))

    def _cell(self, expr: Expr) -> Expr | None:
        if isinstance(expr, Temp) and expr.name in self.slots:
            return Load(self.slots[expr.name], (Param("self"),))
        return None

    def _from_cells(self, body: tuple[Op, ...], before: frozenset[str]) -> tuple[Op, ...]:
        """Read stored locals from their cells; one that the body changes is copied first."""
        assigned = {op.name for op in fold.flat(body) if isinstance(op, Set)}
        copies = sorted(before & assigned)
        if copies:
            used = fold.temporaries(fold.expressions(body))
            copies = [name for name in copies if name in used]

        def read(expr: Expr) -> Expr | None:
            if isinstance(expr, Temp) and expr.name in before and expr.name not in assigned:
                return self._cell(expr)
            return None

        first = tuple(Set(name, Load(self.slots[name], (Param("self"),))) for name in copies)
        return fold.without_unused((*first, *fold.rewrite_ops(body, read)) if before else body)

    def process(self) -> Process:
        """The finished process."""
        marks = frozenset(pc for (_, marked), pc in self.pcs.items() if marked)
        return Process(
            self.name, self.record, self.instances, len(self.order) + 1, self.may_run, marks
        )

    def variables(self) -> list[Variable]:
        """Its program counters and stored locals."""
        dims = (Dimension(self.name, self.instances, "process"),)
        pc = Variable(f"{self.name}.pc", Type("range", 0, len(self.order)), dims, 0, "pc")
        slots = [Variable(name, kind, dims, 0, "local") for name, kind in self.slot_types.items()]
        return [pc, *slots]


_MARK = Set("", Const(0))
"""Separates what came before a branch from the branch's own operations."""


def _uses_and_sets(node: Node) -> tuple[frozenset[str], frozenset[str]]:
    """Temporaries read before they are set in the node, and those it certainly sets."""
    used, sets = fold.temporaries((node.guard,)), set[str]()
    _scan(tuple(node.ops), used, sets)
    used |= fold.temporaries((node.cond,)) - sets
    return frozenset(used), frozenset(sets)


def unset(ops: tuple[Op, ...]) -> list[str]:
    """Temporaries that a body may read before it sets them."""
    used: set[str] = set()
    _scan(ops, used, set())
    return sorted(used)


def _scan(ops: tuple[Op, ...], used: set[str], sets: set[str]) -> None:
    for op in ops:
        if isinstance(op, If):
            used |= fold.temporaries((op.cond,)) - sets
            left, right = set(sets), set(sets)
            _scan(op.then, used, left)
            _scan(op.other, used, right)
            sets |= left & right
            continue
        used |= fold.temporaries(fold.expressions((op,))) - sets
        if isinstance(op, Set):
            sets.add(op.name)


def _cell_type(kind: Type) -> Type:
    """A cell also holds 0, for a local that is not needed."""
    return Type(kind.kind, min(kind.lo, 0), max(kind.hi, 0), kind.name)


def _widened(a: Type, b: Type) -> Type:
    """A type that holds the values of both; a number where they are of different kinds."""
    kind, name = (a.kind, a.name) if a.kind == b.kind else ("range", "")
    if kind == "enum" and a.name != b.name:
        kind, name = "range", ""
    return Type(kind, min(a.lo, b.lo), max(a.hi, b.hi), name)
