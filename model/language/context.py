"""Where lowering is, and how it adds to the flow graph: what all its parts stand on."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn, TypeVar

from model.language.declarations import Module, RecordDecl, RoutineDecl, nearest
from model.language.flow import Flow, Node
from model.language.fold import TRUE, loads
from model.language.machine import Check, Expr, Op, Set, Temp, Type
from model.language.pools import Pool
from model.language.scope import Binding, Call, Value, World
from model.language.source import CompileError, Frame, Provenance
from model.language.values import summary

T = TypeVar("T")


class Context(ABC):
    """Lowering at a point of the source.

    With a flow and not `atomic`, every shared read becomes a step of its own; inside an atomic
    body reads stay where they are; without a flow (guards, predicates) nothing may be emitted.
    In `pure_depth` expressions are predicates even though there is a flow.
    """

    def __init__(self, world: World, flow: Flow | None, process: RoutineDecl | None) -> None:
        self.world = world
        self.flow = flow
        self.process = process
        self.atomic = flow is None
        self.ghost = False
        self.pure_depth = 0
        self.calls: list[Call] = []
        self.pending: list[Op] = []
        self.hint = ""

    @abstractmethod
    def expr(self, node: ast.expr) -> Value:
        """Lower an expression."""

    # --- where we are -------------------------------------------------------------------------

    @property
    def call(self) -> Call:
        """The call that is being expanded."""
        return self.calls[-1]

    @property
    def splits(self) -> bool:
        """Whether a shared read becomes a step here."""
        return self.flow is not None and not self.atomic and not self.pure_depth

    @property
    def chain(self) -> tuple[Frame, ...]:
        """The calls that lead here, outermost first."""
        return tuple(_frame(call) for call in self.calls)

    def where(self, node: ast.AST) -> Provenance:
        """Position of a node, with the call chain that leads to it."""
        at = self.call.module.where(node)
        stmt = self.call.line
        text = at.text if stmt is None else summary(stmt)
        return Provenance(at.file, at.line, at.column, text, self.chain)

    def fail(self, message: str, node: ast.AST, hint: str = "") -> NoReturn:
        """Raise a CompileError at a node."""
        at = self.call.module.where(node)
        raise CompileError(message, replace(at, chain=self.chain), hint)

    def lookup(self, name: str, node: ast.AST) -> Binding:
        """What a name stands for: first in the running call, then in its file."""
        found = self.found(name)
        if found is None:
            known = [*self.call.env, *self.call.module.names]
            self.fail(f"unknown name `{name}`", node, nearest(name, known))
        return found

    def found(self, name: str) -> Binding | None:
        """As `lookup`, or None."""
        return self.call.env.get(name) or self.call.module.names.get(name)

    def pool(self, decl: RecordDecl, node: ast.AST) -> Pool:
        """The instances of a record; they are not known yet while records are counted."""
        if decl.name not in self.world.pools:
            hint = "only literals, cfg values and constants can say how many there are"
            self.fail(f"`{decl.name}` cannot be used here", node, hint)
        return self.world.pools[decl.name]

    def enter(self, decl: RoutineDecl, env: dict[str, Binding], node: ast.AST) -> Call:
        """Begin the expansion of a call; the caller takes it off `calls` again."""
        if any(c.decl is decl for c in self.calls):
            chain = " -> ".join([c.decl.name for c in self.calls if c.decl.name] + [decl.name])
            self.fail(f"recursion: {chain}", node, "calls are inlined; write a loop")
        frame = Frame(decl.name, decl.module.shown, decl.node.lineno, decl.models)
        call = Call(decl, decl.module, env, frame)
        self.calls.append(call)
        return call

    def in_module(self, module: Module, act: Callable[[], T]) -> T:
        """Evaluate a constant in the file that declares it."""
        call = self.call
        self.calls.append(Call(call.decl, module, {}, call.frame))
        try:
            return act()
        finally:
            self.calls.pop()

    @contextmanager
    def predicate(self) -> Iterator[None]:
        """Inside, expressions look at the whole state at once and emit nothing."""
        self.pure_depth += 1
        try:
            yield
        finally:
            self.pure_depth -= 1

    def local_type(self, kind: Type) -> Type:
        """The type of a local that first gets a `kind`: a reference may become any other."""
        return self.world.pools[kind.name].ref() if kind.kind == "ref" and kind.name else kind

    # --- emitting -----------------------------------------------------------------------------

    def emit(self, node: Node) -> Node:
        """Append a node, with the checks that wait for one before its own operations."""
        assert self.flow is not None
        node.ops[:0] = self.pending
        self.pending = []
        return self.flow.add(node)

    def local(self, ops: list[Op], node: ast.AST) -> None:
        """Append operations that belong to the running step."""
        assert self.flow is not None
        latest = self.flow.latest
        if latest.kind in ("local", "step") and self.flow.open == [(latest, "next")]:
            latest.ops += [*self.pending, *ops]
            self.pending = []
        else:
            self.emit(Node("local", self.where(node), ops=ops))

    def flush(self, node: ast.AST) -> None:
        """Emit checks that wait, before control divides."""
        if self.pending:
            self.local([], node)

    def need(self, cond: Expr, prop: str, message: str, node: ast.AST) -> None:
        """The next operation rests on `cond`."""
        if cond == TRUE or self.flow is None or self.pure_depth:
            return
        if prop != "model_error" and prop not in self.world.properties:
            return
        self.pending.append(Check(prop, cond, message, self.where(node)))

    def keep(self, value: Value, node: ast.AST, hint: str = "t") -> Value:
        """The value in a form that later steps and stores do not change."""
        if value.stable or self.flow is None or self.pure_depth:
            return value
        name = self.world.fresh(hint, value.type)
        self.local([Set(name, value.expr)], node)
        return Value(Temp(name), value.type)

    def hoist(self, value: Value, node: ast.AST) -> Value:
        """Make a read a step of its own."""
        name = self.world.fresh(self.hint or "read", value.type)
        self.hint = ""
        self.emit(Node("step", self.where(node), ops=[Set(name, value.expr)]))
        return Value(Temp(name), value.type)

    def speculate(self, act: Callable[[], Value]) -> Value | None:
        """The value if it can be had without emitting anything, else None and nothing changed."""
        flow, pending = self.flow, self.pending
        trial = Flow(Provenance("", 0, 0, ""))
        self.flow, self.pending = trial, []
        try:
            value = act()
            clean = trial.made == 0 and not trial.entry.ops and not self.pending
        finally:
            self.flow, self.pending = flow, pending
        return value if clean else None

    def emitted(self) -> tuple[int, int, int]:
        """Nodes, operations and waiting checks so far: changes whenever something is emitted."""
        if self.flow is None:
            return 0, 0, 0
        return self.flow.made, len(self.flow.latest.ops), len(self.pending)

    def single_read(self, value: Value, name: str, node: ast.AST) -> Value:
        """The value of a predicate in split code: it may read one cell, which is a step."""
        reads = set(loads(value.expr))
        if len(reads) > 1:
            self.fail(
                f"`{name}` reads {len(reads)} shared variables in one step",
                node,
                "the hardware does not; split it into reads, or make it @atomic and say why",
            )
        return self.hoist(value, node) if reads else value


def _frame(call: Call) -> Frame:
    """Where a call has got to; a statement that an edit put there is in the edit's file."""
    line = call.line
    if line is None:
        return call.frame
    if call.shown is None or call.shown[0] is not line:
        file = getattr(line, "source_file", call.frame.file)
        frame = replace(call.frame, file=file, line=line.lineno, text=summary(line))
        call.shown = line, frame
    return call.shown[1]
