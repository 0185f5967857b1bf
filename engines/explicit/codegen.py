"""Generates the C successor function of a machine, to be compiled beside `explore.c`.

One static function per transition executes its body on a copy of the state; `nl_successors` goes
through processes, instances, transitions and parameters in the interpreter's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engines.explicit.ahead_c import AheadC
from engines.explicit.c_bodies import Bodies
from engines.explicit.c_text import Text, comment, number
from engines.explicit.ranges import Scope, guard_scope, process_scope
from engines.reductions.merging import NO_MERGING, Merging
from engines.reductions.reads import conjuncts, parameters
from engines.reductions.symmetry import Symmetry, renamed
from engines.reductions.symmetry_c import canonical_c
from model.language import fold
from model.language.actors import Actors
from model.language.fold import TRUE
from model.language.layout import Layout
from model.language.machine import (
    Check,
    Const,
    Expr,
    Machine,
    Param,
    Process,
    Transition,
)

MOST_INVARIANTS = 64
MOST_GOALS = 64
"""Bits of what `broken` and `unmet` return."""

PROLOGUE = """\
#include "explore.h"

#include <string.h>

#define NL_WORDS {words}
#define NL_ACCESSOR static inline __attribute__((always_inline, unused))
#define NL_STEP static __attribute__((unused))
{ahead}

NL_STEP word *begin(const word *s, struct nl_out *out)
{{
	word *n = out->slots + (uint64_t)out->count * NL_WORDS;

	memcpy(n, s, NL_WORDS * sizeof(word));
	return n;
}}
"""

END = """
NL_STEP void end(struct nl_out *out, word *n, uint32_t transition, uint32_t actor, int code)
{{
	out->enabled++;
	out->enabled_system += actor != 0;
	out->fired[transition]++;
	if (code != NL_FINE) {{
		nl_failed(out, transition, actor != 0, code);
		return;
	}}
	{ahead}
	canonical(n);
	if (out->also)
		out->also[out->count] = also;
	out->actors[out->count++] = actor;
}}
"""


@dataclass(frozen=True)
class Generated:
    """C source, and the checks in the order of the numbers that the C code returns."""

    source: str
    checks: tuple[Check, ...]


def generate(
    machine: Machine,
    layout: Layout,
    merging: Merging = NO_MERGING,
    symmetry: Symmetry | None = None,
) -> Generated:
    """The C of a machine's steps; ValueError for what C's integers cannot hold."""
    _check_sizes(machine)
    writer = _Writer(machine, layout, merging, Actors(machine, renamed(symmetry)))
    bodies = writer.bodies
    transitions = [line for at in range(len(machine.transitions)) for line in bodies.transition(at)]
    runs = [line for proc in machine.processes for line in writer.may_run(proc)]
    ahead = AheadC(writer.text, merging)
    merged = ahead.lines()
    successors = writer.successors()
    predicates = writer.predicates()
    parts = [
        f"/* The steps of {comment(machine.name)}. Generated. */",
        PROLOGUE.format(words=layout.words, ahead="\n".join(ahead.header())),
        *writer.text.sets(),
        *writer.text.accessors(),
        *writer.text.aging(sorted(bodies.aged)),
        *canonical_c(layout, symmetry),
        *transitions,
        *runs,
        *merged,
        END.format(ahead=ahead.call()),
        *successors,
        *predicates,
        *writer.model(),
    ]
    return Generated("\n".join(parts) + "\n", tuple(bodies.checks))


def _check_sizes(machine: Machine) -> None:
    if len(machine.invariants) > MOST_INVARIANTS or len(machine.goals) > MOST_GOALS:
        raise ValueError(
            f"{machine.name} has {len(machine.invariants)} invariants and {len(machine.goals)} "
            f"goals; the C engine takes {MOST_INVARIANTS} and {MOST_GOALS}"
        )
    for var in machine.variables:
        if max(-var.type.lo, var.type.hi) >= 1 << 62:
            raise ValueError(f"{var.name}: {var.type} does not fit into the C engine's integers")


def max_successors(machine: Machine) -> int:
    """No state has more successors than this; one of each instance at least, as its copy of the
    state is made before it is known whether it can step."""

    def count(tr: Transition) -> int:
        total = 1
        for param in tr.params:
            total *= max(param.hi - param.lo + 1, 0)
        return total

    most: dict[str, int] = {}
    for (proc, _), steps in machine.steps_at.items():
        most[proc] = max(most.get(proc, 0), sum(count(tr) for tr in steps))
    total = sum(proc.instances * max(most.get(proc.name, 0), 1) for proc in machine.processes)
    return total + sum(count(tr) for tr in machine.actions)


class _Writer:
    """Writes the functions around the bodies."""

    def __init__(self, machine: Machine, layout: Layout, merging: Merging, actors: Actors) -> None:
        self.machine = machine
        self.merging = merging
        self.actors = actors
        self.text = Text(machine, layout)
        self.bodies = Bodies(self.text)
        self.numbers = {id(tr): at for at, tr in enumerate(machine.transitions)}

    # -- dispatch --

    def successors(self) -> list[str]:
        """`nl_successors`, with one function per process and one for the actions."""
        lines = []
        for proc in self.machine.processes:
            lines += self._steps(proc)
        lines += ["", "static void actions(const word *s, struct nl_out *out)", "{"]
        body = [line for tr in self.machine.actions for line in self._firing(tr, 1)]
        lines += [*self._locals(body), *body, "}"]
        lines += ["", "static void successors(const word *s, struct nl_out *out)", "{"]
        lines += [f"\t{self._name('steps', proc)}(s, out);" for proc in self.machine.processes]
        lines += ["\tactions(s, out);", "}"]
        return lines

    def _name(self, what: str, proc: Process) -> str:
        return self.text.names.of(what, proc.name)

    def _locals(self, body: list[str]) -> list[str]:
        unused = "\t(void)s; (void)out;"
        lines: list[str] = []
        if any("begin(" in line for line in body):
            lines += ["\tword *n;", "\tint code;"]
        if any("bad" in line for line in body):
            lines.append("\tint bad = 0;")
        return [*lines, "", unused]

    def may_run(self, proc: Process) -> list[str]:
        """Whether an instance is at a step and may take it."""
        scope = process_scope(self.machine, proc)
        pc = self.text.load(proc.pc_var, (Param("self"),), scope, "s")
        runs = self.text.expr(proc.may_run, scope, "s")
        return [
            "",
            f"NL_STEP int {self._name('runs', proc)}(const word *s, val self, int *to)",
            "{",
            "\tint bad = 0;",
            f"\tconst int runs = {pc} && ({runs});",
            "",
            "\t*to |= bad;",
            "\treturn runs;",
            "}",
        ]

    def _steps(self, proc: Process) -> list[str]:
        """Fires the steps of every instance.

        Most positions have one step, without a choice. These only say which it is, and share what
        surrounds a body: compilers take half of their time for what is written at every position.
        """
        scope = process_scope(self.machine, proc)
        pc = self.text.load(proc.pc_var, (Param("self"),), scope, "s")
        body = [
            f"\tfor (val self = 0; self < {proc.instances}; self++) {{",
            "\t\tuint32_t at = NL_NONE;",
            "",
            "\t\tbad = 0;",
            f"\t\tconst int runs = {self._name('runs', proc)}(s, self, &bad);",
            "\t\tif (bad)",
            "\t\t\tnl_fault(out, NL_NONE);",
            "\t\tif (bad || !runs)",
            "\t\t\tcontinue;",
            "\t\tn = begin(s, out);",
            "\t\tcode = NL_FINE;",
            f"\t\tswitch ({pc}) {{",
        ]
        for (owner, place), steps in self.machine.steps_at.items():
            if owner == proc.name and place:
                body.append(f"\t\tcase {place}:")
                if len(steps) == 1 and not steps[0].params and not steps[0].environment:
                    body += self._if_allowed(steps[0], steps[0].guard, 3, self._chosen(steps[0]))
                else:
                    body += [line for tr in steps for line in self._firing(tr, 3)]
                body.append("\t\t\tbreak;")
        body += ["\t\tdefault:", "\t\t\tbreak;", "\t\t}"]
        body += ["\t\tif (at != NL_NONE)"]
        body += [f"\t\t\tend(out, n, at, {self._instance(proc)}, code);", "\t}"]
        head = ["", f"static void {self._name('steps', proc)}(const word *s, struct nl_out *out)"]
        return [*head, "{", *self._locals(body), *body, "}"]

    def _firing(self, tr: Transition, depth: int) -> Iterator[str]:
        """Fires a transition for every combination of parameters that its guard admits.

        What does not depend on a parameter is asked before its loop, unless it could go wrong: then
        it is asked where its turn is.
        """
        scope = guard_scope(self.machine, tr)
        rest = [part for part in conjuncts(tr.guard) if part != TRUE]
        known, outside = {"self"}, depth
        for param in tr.params:
            early = [
                part
                for part in rest
                if parameters(part) <= known and "&bad" not in self.text.expr(part, scope, "s")
            ]
            rest = [part for part in rest if part not in early]
            if early:
                held = self.text.expr(fold.conjunction(early), scope, "s")
                yield "\t" * depth + f"if ({held}) {{"
                depth += 1
            name, lo = self.text.names.of("p", param.name), number(param.lo)
            yield "\t" * depth + f"for (val {name} = {lo}; {name} <= {param.hi}; {name}++) {{"
            depth += 1
            known.add(param.name)
        yield from self._if_allowed(tr, fold.conjunction(rest), depth, self._fired(tr))
        for tabs in range(depth - 1, outside - 1, -1):
            yield "\t" * tabs + "}"

    def _if_allowed(
        self, tr: Transition, rest: Expr, depth: int, then: Sequence[str]
    ) -> Iterator[str]:
        """Does something with the parameters at hand, if the rest of a step's guard holds."""
        tabs = "\t" * depth
        guard = self.text.expr(rest, guard_scope(self.machine, tr), "s") if rest != TRUE else ""
        if "&bad" in guard:
            yield f"{tabs}bad = 0;"
            yield f"{tabs}code = !!({guard});"
            yield f"{tabs}if (bad) {{"
            yield f"{tabs}\tnl_fault(out, {self._number(tr)});"
            yield f"{tabs}}} else if (code) {{"
        elif guard:
            yield f"{tabs}if ({guard}) {{"
        for line in then:
            yield f"{tabs}\t{line}" if guard else f"{tabs}{line}"
        if guard:
            yield f"{tabs}}}"

    def _fired(self, tr: Transition) -> list[str]:
        at = self._number(tr)
        return [
            "n = begin(s, out);",
            self._done(tr),
            f"end(out, n, {at}, {self._actor(at)}, code);",
        ]

    def _chosen(self, tr: Transition) -> list[str]:
        return [f"at = {self._number(tr)};", self._done(tr)]

    def _done(self, tr: Transition) -> str:
        return f"code = do_{self._number(tr)}({', '.join(['n', *self.text.params(tr)])});"

    def _actor(self, at: int) -> str:
        """The number of who makes a step, as C."""
        tr, first = self.machine.transitions[at], self.actors.first(at)
        if tr.environment:
            return f"{first}"
        if tr.process is not None:
            return self._instance(self.machine.process[tr.process])
        index = "0"
        for param in self.actors.telling(tr):
            name = self.text.names.of("p", param.name)
            index = f"({index} * {param.hi - param.lo + 1} + {name} - {number(param.lo)})"
        return f"(uint32_t)({first} + {index})" if index != "0" else f"{first}"

    def _instance(self, proc: Process) -> str:
        """The number of an instance of a process, as C."""
        first = self.actors.of_process(proc)
        return f"{first}" if proc.record in self.actors.alike else f"(uint32_t)({first} + self)"

    # -- predicates --

    def predicates(self) -> list[str]:
        """Invariants, goals, and whether every process is idle."""
        broken = [(inv.prop, inv.expr) for inv in self.machine.invariants]
        goals = [(goal.prop, goal.expr) for goal in self.machine.goals]
        lines = self._bits("broken", broken) + self._bits("unmet", goals)
        lines += ["", "static int idle(const word *s)", "{", "\tval pcs = 0;", "", "\t(void)s;"]
        for proc in self.machine.processes:
            for me in range(proc.instances):
                load = self.text.load(proc.pc_var, (Const(me),), Scope(self.machine), "s")
                lines.append(f"\tpcs |= {load};")
        return [*lines, "\treturn !pcs;", "}"]

    def _bits(self, name: str, exprs: list[tuple[str, Expr]]) -> list[str]:
        """A function that returns a bit for each expression that is false."""
        lines = ["", f"static uint64_t {name}(const word *s, int *to)", "{", "\tuint64_t bits = 0;"]
        lines += ["\tint bad = 0;", "", "\t(void)s;"]
        for at, (prop, expr) in enumerate(exprs):
            text = self.text.expr(expr, Scope(self.machine), "s")
            lines.append(f"\tbits |= (uint64_t)(!({text})) << {at}; /* {comment(prop)} */")
        return [*lines, "\t*to |= bad;", "\treturn bits;", "}"]

    def model(self) -> list[str]:
        """The description that `explore.c` reads."""
        machine = self.machine
        actors = map(str, (*self.actors.instances, 0))
        return [
            f"\nstatic const uint32_t instances[] = {{ {', '.join(actors)} }};",
            "",
            "const struct nl_model nl_model = {",
            "\t.words = NL_WORDS,",
            f"\t.transitions = {len(machine.transitions)},",
            f"\t.checks = {len(self.bodies.checks)},",
            f"\t.invariants = {len(machine.invariants)},",
            f"\t.goals = {len(machine.goals)},",
            f"\t.actors = {self.actors.count},",
            "\t.instances = instances,",
            f"\t.max_successors = {max_successors(machine)},",
            "\t.successors = successors,",
            "\t.broken = broken,",
            "\t.unmet = unmet,",
            "\t.idle = idle,",
            "\t.canonical = canonical,",
            "};",
        ]

    def _number(self, tr: Transition) -> int:
        return self.numbers[id(tr)]
