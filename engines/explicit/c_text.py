"""C text of a machine's variables and expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engines.explicit.ranges import Scope
from model.language.layout import Field, Layout
from model.language.machine import (
    Binary,
    Const,
    Expr,
    InSet,
    Ite,
    Load,
    Machine,
    Param,
    Temp,
    Transition,
    Unary,
)

_C_OPERATOR = {"and": "&&", "or": "||"}


class Names:
    """C identifiers for the machine's names: readable, and never two alike."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def of(self, space: str, name: str) -> str:
        """The identifier for `name`; `space` keeps kinds of things apart."""
        if (space, name) not in self._given:
            plain = re.sub(r"\W", "_", name, flags=re.ASCII)
            given, number = f"{space}_{plain}", 2
            while given in self._taken:
                given, number = f"{space}_{plain}_{number}", number + 1
            self._taken.add(given)
            self._given[space, name] = given
        return self._given[space, name]


class Text:
    """Prints expressions over one machine and collects the bitmaps they need."""

    def __init__(self, machine: Machine, layout: Layout) -> None:
        self.machine = machine
        self.layout = layout
        self.names = Names()
        self._sets: dict[frozenset[int], str] = {}

    def params(self, tr: Transition) -> list[str]:
        """Names of a transition's parameters, the instance first."""
        own = [] if tr.process is None else ["self"]
        return own + [self.names.of("p", param.name) for param in tr.params]

    # -- expressions --

    def expr(self, expr: Expr, scope: Scope, state: str) -> str:
        """C for the value of an expression; `state` is the name of the words it reads."""
        match expr:
            case Const(value):
                return number(value)
            case Param("self"):
                return "self"
            case Param(name):
                return self.names.of("p", name)
            case Temp(name):
                return self.names.of("t", name)
            case Load(var, index):
                return self.load(var, index, scope, state)
            case Unary(op, operand):
                return f"{'!' if op == 'not' else '-'}{self._operand(operand, scope, state)}"
            case Ite(cond, then, other):
                parts = [self._operand(part, scope, state) for part in (cond, then, other)]
                return f"{parts[0]} ? {parts[1]} : {parts[2]}"
            case InSet(operand, members):
                text = self.expr(operand, scope, state)
                least = min((0, *members))  # a bitmap has no place below 0
                if least < 0:
                    text = f"({text}) + {-least}"
                    members = frozenset(member - least for member in members)
                return f"nl_in({text}, {self._set(members)}, {_set_words(members)})"
            case Binary(op, left, right):
                a, b = (self._operand(side, scope, state) for side in (left, right))
                return f"{a} {_C_OPERATOR.get(op, op)} {b}"

    def _operand(self, expr: Expr, scope: Scope, state: str) -> str:
        text = self.expr(expr, scope, state)
        simple = isinstance(expr, Load | Param | Temp | InSet) or (
            isinstance(expr, Const) and expr.value >= 0
        )
        return text if simple else f"({text})"

    def load(self, var: str, index: tuple[Expr, ...], scope: Scope, state: str) -> str:
        """C for the value of a cell."""
        cell = self.cell(var, index, scope, state)
        return f"{self.names.of('get', var)}({state}{cell})"

    def cell(self, var: str, index: tuple[Expr, ...], scope: Scope, state: str) -> str:
        """The argument that selects the cell of a variable, or nothing if it has one cell only."""
        variable = self.machine.variable[var]
        terms, stride = [], variable.size
        for dim, expr in zip(variable.dims, index, strict=True):
            stride //= dim.size
            if isinstance(expr, Const) and 0 <= expr.value < dim.size:
                if expr.value:
                    terms.append(str(expr.value * stride))
                continue
            text = self.expr(expr, scope, state)
            if not scope.fits(expr, 0, dim.size - 1):
                text = f"nl_at({text}, {dim.size}, &bad)"
            elif not isinstance(expr, Param | Temp | Load):
                text = f"({text})"
            terms.append(text if stride == 1 else f"{stride} * {text}")
        if not variable.dims:
            return ""
        return f", {' + '.join(terms) or '0'}"

    def member(self, value: str, members: frozenset[int]) -> str:
        """C for whether a value is in a set."""
        if len(members) == 1:
            (only,) = members
            return f"({value} == {number(only)})"
        return f"nl_in({value}, {self._set(members)}, {_set_words(members)})"

    def _set(self, members: frozenset[int]) -> str:
        return self._sets.setdefault(members, f"set_{len(self._sets)}")

    def sets(self) -> list[str]:
        """Definitions of the bitmaps used so far."""
        lines = []
        for members, name in self._sets.items():
            words = [0] * _set_words(members)
            for member in members:
                words[member // 64] |= 1 << member % 64
            listed = ", ".join(f"{value:#x}" for value in words)
            lines.append(f"static const uint64_t {name}[] = {{ {listed} }};")
        return lines

    # -- variables --

    def accessors(self) -> list[str]:
        """Functions that read and write the cells of every variable."""
        lines: list[str] = []
        for var in self.machine.variables:
            lines += self._accessors_of(self.layout.fields[var.name])
        return lines

    def _accessors_of(self, field: Field) -> list[str]:
        var, lo = field.variable, field.variable.type.lo
        get, put = self.names.of("get", var.name), self.names.of("set", var.name)
        index = ", val i" if var.dims else ""
        shown = "".join(f"[{dim.size}]" for dim in var.dims)
        if not field.bits:
            unused = "(void)s; (void)i;" if index else "(void)s;"
            return [
                f"\n/* {var.name}{shown}: always {lo} */",
                f"NL_ACCESSOR val {get}(const word *s{index}) {{ {unused} return {number(lo)}; }}",
                f"NL_ACCESSOR void {put}(word *s{index}, val v) {{ {unused} (void)v; }}",
            ]
        word, shift = _place(field)
        up, down = (f" + {number(lo)}", f" - {number(lo)}") if lo else ("", "")
        mask = f"{field.mask:#x}u"
        unused = "(void)i; " if index and var.size == 1 else ""
        bits = f"{field.bits} bits from bit {field.shift} of word {field.word}"
        return [
            f"\n/* {var.name}{shown}: {var.type}, {bits} */",
            f"NL_ACCESSOR val {get}(const word *s{index})",
            f"{{ {unused}return (val)(s[{word}] >> ({shift}) & {mask}){up}; }}",
            f"NL_ACCESSOR void {put}(word *s{index}, val v)",
            f"{{ {unused}s[{word}] = (s[{word}] & ~((word){mask} << ({shift})))"
            f" | (word)(v{down}) << ({shift}); }}",
        ]

    def hit(self, field: Field) -> list[str]:
        """A function that says whether a set of bits has one of a cell's bits."""
        word, shift = _place(field)
        index = ", val i" if field.variable.dims else ""
        unused = "(void)i; " if index and field.variable.size == 1 else ""
        return [
            f"NL_ACCESSOR int {self.names.of('hit', field.variable.name)}(const word *u{index})",
            f"{{ {unused}return (u[{word}] >> ({shift}) & {field.mask:#x}u) != 0; }}",
        ]

    def aging(self, variables: Sequence[str]) -> list[str]:
        """Functions that decrement every cell above 0 of a variable."""
        lines: list[str] = []
        for name in variables:
            lines += ["", f"NL_STEP void {self.names.of('age', name)}(word *n)", "{"]
            lines += [f"\t{line}" for line in self._age_of(self.layout.fields[name])]
            lines.append("}")
        return lines

    def _age_of(self, field: Field) -> list[str]:
        var = field.variable
        if not field.bits:
            return ["(void)n;"]
        if var.type.lo:
            get, put = self.names.of("get", var.name), self.names.of("set", var.name)
            cell = ", i" if var.dims else ""
            return [
                f"for (val i = 0; i < {var.size}; i++)",
                f"\tif ({get}(n{cell}) > 0)",
                f"\t\t{put}(n{cell}, {get}(n{cell}) - 1);",
            ]
        # All fields of a word at once: subtract each field's "is not 0" bit from it.
        lines = []
        for word, lowest in lowest_bits(field).items():
            any_bit = " | ".join(f"n[{word}] >> {bit}" for bit in range(field.bits))
            lines.append(f"n[{word}] -= ({any_bit}) & {lowest:#x}u;")
        return lines


def lowest_bits(field: Field) -> dict[int, int]:
    """Per word, the lowest bit of each cell of a variable."""
    masks: dict[int, int] = {}
    for cell in range(field.variable.size):
        word, shift = field.place(cell)
        masks[word] = masks.get(word, 0) | 1 << shift
    return masks


def comment(text: str) -> str:
    """Text that cannot end the comment it stands in."""
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())


def number(value: int) -> str:
    """A C literal."""
    text = str(value) if -(2**31) < value < 2**31 else f"{value}LL"
    return f"({text})" if value < 0 else text


def _place(field: Field) -> tuple[str, str]:
    """C for the word and the shift of cell `i`."""
    if not field.variable.dims or field.variable.size == 1:
        return str(field.word), str(field.shift)
    start = f"{field.shift} + " if field.shift else ""
    if field.variable.size <= field.per_word:
        return str(field.word), f"{start}{field.bits} * i"
    per = field.per_word
    return f"{field.word} + (word)i / {per}", f"{start}{field.bits} * ((word)i % {per})"


def _set_words(members: frozenset[int]) -> int:
    return max(members, default=0) // 64 + 1
