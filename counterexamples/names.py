"""Values and cells in a reader's words: `object 1`, `NULL`, `needs 1 grace period`, `Krcp[0].head`.

Records are counted from 1, as references are; CPUs and what exists once per CPU from 0, as the
kernel does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from counterexamples.lanes import CPU_RECORD, Context, context_name, cpu_field
from counterexamples.syntax import bookkeeping, indexed_accesses, sets, stores
from model.language.machine import Binary, Const, Expr, Load, Machine, Param, Temp, Transition, Type

Place = tuple[str, int, str, int | None]
"""Owner record, its instance (0-based), the field, and the element where the field is an array."""


@dataclass(frozen=True)
class Names:
    """The words for one machine.

    `per_cpu` are the records that are counted like CPUs, `single` those that need no number,
    `bookkeeping` the variables that only bound what may arrive or say who is on which CPU.
    `embedded` says of a record's instances what they are part of: `Krcp[0].lock` says more than
    `RawSpinlock[1]`.
    """

    machine: Machine
    per_cpu: frozenset[str]
    single: frozenset[str]
    bookkeeping: frozenset[str]
    embedded: Mapping[str, tuple[Place, ...]]

    def value(self, kind: Type, value: int) -> str:
        """A value of a type in words."""
        match kind.kind:
            case "bool":
                return "yes" if value else "no"
            case "enum":
                members = self.machine.enums.get(kind.name, ())
                at = value - kind.lo
                return members[at] if 0 <= at < len(members) else str(value)
            case "ref":
                return self.reference(kind.name, value)
            case "cookie":
                if value <= 0:
                    return "complete"
                return f"needs {value} grace period{'s' if value > 1 else ''}"
            case "range":
                return str(value)

    def reference(self, record: str, value: int) -> str:
        """An instance of a record, or NULL."""
        if not value:
            return "NULL"
        if record in self.embedded:
            return self.instance(record, value)
        return f"{record.lower()} {self._number(record, value)}"

    def instance(self, record: str, reference: int) -> str:
        """Where an instance is, as the start of a cell's name."""
        if 0 < reference <= len(self.embedded.get(record, ())):
            owner, at, field, element = self.embedded[record][reference - 1]
            subscript = "" if element is None else f"[{element}]"
            return f"{self.instance(owner, at + 1)}.{field}{subscript}"
        if record in self.single:
            return record
        return f"{record}[{self._number(record, reference)}]"

    def cell(self, at: int, reader: Context | None = None) -> str:
        """The name of a cell. A local of `reader` needs no owner, one of another context does."""
        var, index = self.machine.cells[at]
        if var.role != "shared" and var.dims:
            owner = Context(var.dims[0].name, index[0])
            name = var.name.removeprefix(f"{owner.process}.") + _subscripts(index[1:])
            if owner == reader or owner.process not in self.machine.process:
                return name
            return f"{context_name(self.machine, owner)}: {name}"
        if not var.dims:
            return var.name
        dim = var.dims[0]
        record, _, field = var.name.partition(".")
        if dim.kind == "record" and field and record == dim.name:
            return f"{self.instance(record, index[0] + 1)}.{field}{_subscripts(index[1:])}"
        return f"{var.name}{_subscripts(index)}"

    def argument(self, transition: Transition, name: str, value: int) -> str:
        """The value of a parameter of a transition in words."""
        for parameter in transition.params:
            if parameter.name == name:
                return self.value(parameter.type, value)
        return str(value)

    def _number(self, record: str, reference: int) -> int:
        return reference - 1 if record in self.per_cpu else reference


def names_of(machine: Machine) -> Names:
    """The words for a machine."""
    per_cpu = frozenset({CPU_RECORD, *_per_cpu(machine)})
    referred = {var.type.name for var in machine.variables if var.type.kind == "ref"}
    single = {
        dim.name
        for var in machine.variables
        for dim in var.dims[:1]
        if dim.kind == "record" and dim.size == 1
    }
    fields = [cpu_field(machine, process.name) for process in machine.processes]
    return Names(
        machine,
        per_cpu,
        frozenset(single - referred - per_cpu),
        bookkeeping(machine) | frozenset(field.var for field in fields if field),
        getattr(machine, "embedded", {}),
    )


def _subscripts(index: tuple[int, ...]) -> str:
    return "".join(f"[{i}]" for i in index)


def _per_cpu(machine: Machine) -> Iterator[str]:
    """Records that somewhere are found by the number of a CPU (`this_cpu_ptr(&krc)`)."""
    for transition in machine.transitions:
        for name, index in indexed_accesses(transition):
            dims = machine.variable[name].dims
            if dims and dims[0].kind == "record" and _is_cpu(machine, transition, index[0]):
                yield dims[0].name
        values = {s.name: s.value for s in sets(transition.body)}
        for store in stores(transition.body):
            kind = machine.variable[store.var].type
            value = store.value
            while isinstance(value, Temp) and value.name in values:
                value = values.pop(value.name)
            if kind.kind == "ref" and _is_cpu(machine, transition, Binary("-", value, Const(1))):
                yield kind.name


def _is_cpu(machine: Machine, transition: Transition, index: Expr) -> bool:
    match index:
        case Param("self"):
            process = machine.process.get(transition.process or "")
            return process is not None and process.record == CPU_RECORD
        case Binary("-", Load(var, _), Const(1)):
            return _refers_to_cpu(machine.variable[var].type)
        case Binary("-", Param(name), Const(1)):
            return any(p.name == name and _refers_to_cpu(p.type) for p in transition.params)
    return False


def _refers_to_cpu(kind: Type) -> bool:
    return kind.kind == "ref" and kind.name == CPU_RECORD
