"""Records as pools of instances: how many there are, and where an embedded one lives.

Every record type has one pool. Instances of an embedded record (`lock: Embed[RawSpinlock]`) are
numbered embedding by embedding, owner by owner, so that the owner follows from the number
(`container_of`) and a callback from the range (`work.func(work)`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from model.language.declarations import (
    Builtin,
    EnumDecl,
    Module,
    RecordDecl,
    nearest,
)
from model.language.machine import BOOL, Dimension, Type, Variable
from model.language.source import CompileError, Provenance

ConstEval = Callable[[ast.expr, Module], int]

MOST_INSTANCES = 1000
"""More instances of a record, or elements of an array, are surely a mistake."""


@dataclass(frozen=True)
class Embedding:
    """`owner.field` embeds `length` records in each owner, the first being number `base` + 1."""

    record: str
    owner: str
    field: str
    base: int
    owners: int
    length: int
    static: dict[str, ast.expr]
    module: Module

    @property
    def size(self) -> int:
        """How many instances this embedding makes."""
        return self.owners * self.length

    @property
    def type(self) -> Type:
        """The type of a reference to one of them."""
        return Type("ref", self.base + 1, self.base + self.size, self.record)


@dataclass
class FieldInfo:
    """A field of a record: one of `type` (a scalar or array of them), `embeds` and `static`."""

    name: str
    node: ast.AnnAssign
    type: Type | None = None
    array: int | None = None
    by: str | None = None
    embeds: str | None = None
    static: bool = False
    ghost: bool = False
    guard: str | None = None
    link: str | None = None
    count: str | None = None
    initial: int = 0


@dataclass
class Pool:
    """All instances of a record type."""

    decl: RecordDecl
    size: int = 0
    per: str | None = None
    single: bool = False
    fields: dict[str, FieldInfo] = field(default_factory=dict)
    embeddings: list[Embedding] = field(default_factory=list)

    def ref(self, nullable: bool = True) -> Type:
        """The type of a reference into this pool."""
        return Type("ref", 0 if nullable else 1, self.size, self.decl.name)


def build_pools(modules: list[Module], const: ConstEval) -> dict[str, Pool]:
    """Pools of all records of the modules; `const` evaluates constant expressions.

    Raises CompileError for records that cannot be sized and for fields with unknown types.
    """
    pools: dict[str, Pool] = {}
    for module in modules:
        for decl in module.names.values():
            if isinstance(decl, RecordDecl) and decl.module is module:
                if decl.name in pools:
                    raise CompileError(
                        f"record `{decl.name}` is declared twice", module.where(decl.node)
                    )
                pools[decl.name] = Pool(decl)
    for pool in pools.values():
        _fields(pool, pools, const)
    for pool in pools.values():
        _size(pool, pools, const, ())
    for pool in pools.values():  # references need the sizes
        for info in pool.fields.values():
            if info.type is not None and info.type.kind == "ref":
                info.type = pools[info.type.name].ref()
            if info.by is not None:
                info.array = pools[info.by].size
            _check_field(pool, info, pools)
    return pools


def _check_field(pool: Pool, info: FieldInfo, pools: dict[str, Pool]) -> None:
    """What a field says of other fields, and its initial value, must be right."""
    where = pool.decl.module.where(info.node)
    if info.type is not None and info.type.kind == "ref" and info.initial != 0:
        raise CompileError(
            f"`{info.name}` is {info.type} and begins as NULL", where, "an action can set it"
        )
    if info.link is not None:
        target = pools[info.type.name] if info.type and info.type.kind == "ref" else None
        if target is None:
            raise CompileError(f"`{info.name}` is no reference and heads no list", where)
        _check_link(info.link, target, pools, where)
    if info.count is not None:
        counter = pool.fields.get(info.count)
        if counter is None or counter.type is None or counter.type.kind != "range":
            text = f"`{info.count}` is not a counter of `{pool.decl.name}`"
            raise CompileError(text, where, nearest(info.count, pool.fields))
    if info.guard is not None:
        owner, _, name = info.guard.rpartition(".")
        home = pools.get(owner) if owner else pool
        lock = home.fields.get(name) if home else None
        if lock is None or lock.embeds is None:
            known = [n for n, f in (home or pool).fields.items() if f.embeds]
            raise CompileError(f"there is no lock `{info.guard}`", where, nearest(name, known))


def _check_link(link: str, target: Pool, pools: dict[str, Pool], where: Provenance) -> None:
    """`link` names a field of the listed records that refers to the next one."""
    owner, _, name = link.rpartition(".")
    home = pools.get(owner) if owner else target
    follows = home.fields.get(name) if home else None
    if follows is None or follows.type is None or follows.type.name != target.decl.name:
        known = [n for n, f in target.fields.items() if f.type and f.type.name == target.decl.name]
        text = f"`{link}` does not link one `{target.decl.name}` to the next"
        raise CompileError(text, where, nearest(name, known))


def _size(pool: Pool, pools: dict[str, Pool], const: ConstEval, inside: tuple[str, ...]) -> int:
    decl, module = pool.decl, pool.decl.module
    if decl.name in inside:
        raise CompileError(f"record `{decl.name}` contains itself", module.where(decl.node))
    if pool.size or pool.embeddings:
        return pool.size
    inside = (*inside, decl.name)
    options = decl.options
    if "when" in options and not const(options["when"], module):
        return 0
    if "count" in options:
        pool.size = _length(options["count"], module, const, "instances")
    elif "single" in options:
        pool.size, pool.single = int(const(options["single"], module) > 0), True
    elif "per" in options:
        match options["per"]:
            case ast.Name(name) if isinstance(module.names.get(name), RecordDecl):
                target = module.names[name]
                assert isinstance(target, RecordDecl)
                pool.per = target.name
                pool.size = _size(pools[target.name], pools, const, inside)
            case other:
                raise CompileError("per= names a record", module.where(other))
    for owner in pools.values():
        for info in owner.fields.values():
            if info.embeds == decl.name:
                if pool.per or pool.single or "count" in options:
                    raise CompileError(
                        f"`{decl.name}` has instances of its own and cannot be embedded",
                        owner.decl.module.where(info.node),
                        "declare it @record() to embed it",
                    )
                owners = _size(owner, pools, const, inside)
                static = _static_values(owner.decl.module, info)
                made = Embedding(
                    decl.name, owner.decl.name, info.name, pool.size, owners, info.array or 1,
                    static, owner.decl.module,
                )  # fmt: skip
                pool.embeddings.append(made)
                pool.size += made.size
    return pool.size


def _static_values(module: Module, info: FieldInfo) -> dict[str, ast.expr]:
    match info.node.value:
        case None:
            return {}
        case ast.Call(ast.Name("embed"), [], keywords):
            return {k.arg: k.value for k in keywords if k.arg is not None}
        case other:
            raise CompileError(
                "an embedded record takes embed(name=value, ...)", module.where(other)
            )


def _fields(pool: Pool, pools: dict[str, Pool], const: ConstEval) -> None:
    module = pool.decl.module
    for name, node in pool.decl.fields.items():
        info = FieldInfo(name, node)
        pool.fields[name] = info
        _annotation(info, node.annotation, module, pools, const)
        if info.embeds is None:
            _default(info, module, const)


def _annotation(
    info: FieldInfo, ann: ast.expr, module: Module, pools: dict[str, Pool], const: ConstEval
) -> None:
    match ann:
        case ast.Subscript(ast.Name("Ghost"), inner):
            info.ghost = True
            _annotation(info, inner, module, pools, const)
        case ast.Subscript(ast.Name("Static"), _):
            info.static = True
        case ast.Subscript(ast.Name("Embed"), ast.Tuple([ast.Name(name), length])):
            info.embeds = _record(name, ann, module).name
            info.array = _length(length, module, const, "elements", least=1)
        case ast.Subscript(ast.Name("Embed"), ast.Name(name)):
            info.embeds = _record(name, ann, module).name
        case ast.Subscript(ast.Name("Array")) if info.array is not None or info.by is not None:
            raise CompileError("an array has one dimension", module.where(ann))
        case ast.Subscript(ast.Name("Array"), ast.Tuple([inner, length])):
            if isinstance(length, ast.Name) and isinstance(module.names.get(length.id), RecordDecl):
                info.by = length.id
            else:
                info.array = _length(length, module, const, "elements", least=1)
            _annotation(info, inner, module, pools, const)
            if info.type is None:
                raise CompileError("this cannot be the element of an array", module.where(ann))
        case _:
            info.type = scalar_type(ann, module, pools, const)


def _length(node: ast.expr, module: Module, const: ConstEval, what: str, least: int = 0) -> int:
    value = const(node, module)
    if not least <= value <= MOST_INSTANCES:
        limits = f"from {least} to {MOST_INSTANCES}"
        raise CompileError(f"{value} {what}", module.where(node), f"there can be {limits}")
    return value


def _record(name: str, node: ast.expr, module: Module) -> RecordDecl:
    decl = module.names.get(name)
    if not isinstance(decl, RecordDecl):
        records = [n for n, d in module.names.items() if isinstance(d, RecordDecl)]
        raise CompileError(f"`{name}` is not a record", module.where(node), nearest(name, records))
    return decl


def scalar_type(ann: ast.expr, module: Module, pools: dict[str, Pool], const: ConstEval) -> Type:
    """The type an annotation names; a record's name means a reference to it, or NULL."""
    match ann:
        case ast.Name("bool"):
            return BOOL
        case ast.Subscript(ast.Name("Range"), ast.Tuple([lo, hi])):
            low, high = const(lo, module), const(hi, module)
            if low > high:
                raise CompileError(f"Range[{low}, {high}] is empty", module.where(ann))
            return Type("range", low, high)
        case ast.Name("int"):
            raise CompileError(
                "`int` has no bounds",
                module.where(ann),
                "write Range[lo, hi]; states must be finite",
            )
        case ast.Name(name):
            decl = module.names.get(name)
            if isinstance(decl, RecordDecl):
                return pools[decl.name].ref()
            if isinstance(decl, EnumDecl):
                return Type("enum", 0, len(decl.members) - 1, decl.name)
            if isinstance(decl, Builtin) and decl.name == "Cookie":
                return Type("cookie", 0, 2)
            types = [n for n, d in module.names.items() if isinstance(d, RecordDecl | EnumDecl)]
            raise CompileError(
                f"`{name}` is not a type",
                module.where(ann),
                nearest(name, [*types, "bool", "Range"]),
            )
    raise CompileError(
        f"`{ast.unparse(ann)}` is not a type",
        module.where(ann),
        "types are bool, Range[lo, hi], Cookie, an enum, or a record (a reference or NULL)",
    )


def _default(info: FieldInfo, module: Module, const: ConstEval) -> None:
    match info.node.value:
        case None:
            pass
        case ast.Call(ast.Name("guarded" | "field" as kind), args, keywords):
            if kind == "guarded":
                match args:
                    case [ast.Constant(str(lock))]:
                        info.guard = lock
                    case _:
                        raise CompileError('write guarded("lock")', module.where(info.node))
            for key in keywords:
                match key.arg, key.value:
                    case "link", ast.Constant(str(text)):
                        info.link = text
                    case "count", ast.Constant(str(text)):
                        info.count = text
                    case "initial", value:
                        info.initial = const(value, module)
                    case other, _:
                        raise CompileError(
                            f"a field has no option `{other}`",
                            module.where(info.node),
                            nearest(str(other), ["link", "count", "initial"]),
                        )
        case value:
            info.initial = const(value, module)
    low, high = (info.type.lo, info.type.hi) if info.type else (0, 0)
    if info.type and info.type.kind != "ref" and not low <= info.initial <= high:
        raise CompileError(
            f"initial value {info.initial} of `{info.name}` is outside {info.type}",
            module.where(info.node),
        )


def variables_of(pools: dict[str, Pool]) -> Iterator[Variable]:
    """The variables that hold the records' fields."""
    for pool in pools.values():
        for info in pool.fields.values():
            if info.type is None:
                continue
            dims: tuple[Dimension, ...] = (Dimension(pool.decl.name, pool.size, "record"),)
            if info.array is not None:
                name = info.by or f"{pool.decl.name}.{info.name}"
                dims += (Dimension(name, info.array, "record" if info.by else "array"),)
            ghost = info.ghost or "ghost" in pool.decl.options
            yield Variable(
                f"{pool.decl.name}.{info.name}", info.type, dims, info.initial, "shared", ghost,
                info.guard,
            )  # fmt: skip
