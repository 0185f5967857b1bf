"""Generates the C that executes, together with a step, those that need not be explored apart.

It is `run_ahead` of `engines/reductions/ahead.py`: the same questions, asked in the same terms.
"""

from __future__ import annotations

from collections.abc import Iterator

from engines.explicit.c_text import Text
from engines.explicit.others_c import OthersC
from engines.explicit.ranges import guard_scope, process_scope
from engines.reductions.ahead import FIRST_LANDMARK, MOST_MERGED
from engines.reductions.merging import Merging
from model.language.fold import TRUE
from model.language.machine import Process


class AheadC:
    """Writes what `nl_ahead` needs; the accessors of variables and the bodies come before."""

    def __init__(self, text: Text, merging: Merging) -> None:
        self.text = text
        self.machine = text.machine
        self.merging = merging
        self.plan = merging.independent
        self.others = OthersC(text, self.plan) if self.plan is not None else None

    def header(self) -> list[str]:
        """What comes after the size of a state has been said."""
        others = self.others
        return [
            f"#define NL_BITS {others.tables.words if others else self.text.layout.words}",
            f"#define NL_OTHERS {others.count if others else 1}",
            f"#define NL_FIRST_LANDMARK {FIRST_LANDMARK}",
            f"#define NL_MOST_MERGED {MOST_MERGED}",
            '#include "ahead.h"',
        ]

    def lines(self) -> list[str]:
        """Everything else."""
        if self.merging.does_nothing:
            return []
        others = self.others.lines() if self.others is not None else []
        steps = [line for proc in self.machine.processes for line in self._merged(proc)]
        return [*others, *steps, *self._merged_of()]

    def call(self) -> str:
        """What is done with a state to which a step has led."""
        if self.merging.does_nothing:
            return "const uint64_t also = 0;"
        count = sum(proc.instances for proc in self.machine.processes)
        ahead = f"nl_ahead(n, out->fired, {count}, merged)"
        return f"const uint64_t also = out->apart ? 0 : {ahead};"

    def _merged_of(self) -> Iterator[str]:
        """`merged`: one step of an instance, who are all numbered."""
        yield "\nstatic int merged(uint32_t who, word *n, uint64_t *fired)"
        yield "{"
        yield "\tswitch (who) {"
        everybody = [(proc, me) for proc in self.machine.processes for me in range(proc.instances)]
        for at, (proc, me) in enumerate(everybody):
            yield f"\tcase {at}: return {self._name('merged', proc)}(n, {me}, fired);"
        yield "\tdefault: return 0;"
        yield "\t}"
        yield "}"

    def _name(self, what: str, proc: Process) -> str:
        return self.text.names.of(what, proc.name)

    def _pc(self, proc: Process, state: str) -> str:
        return f"{self.text.names.of('get', proc.pc_var)}({state}, self)"

    # -- the steps of one process --

    def _merged(self, proc: Process) -> Iterator[str]:
        """Takes one step of an instance that need not be explored apart; whether there is one."""
        yield f"\nNL_STEP int {self._name('merged', proc)}(word *n, val self, uint64_t *fired)"
        yield "{"
        yield "\tint bad = 0;"
        yield "\tword after[NL_WORDS];"
        yield ""
        yield f"\tif (!{self._name('runs', proc)}(n, self, &bad) || bad)"
        yield "\t\treturn 0;"
        yield "\tmemcpy(after, n, sizeof(after));"
        yield f"\tswitch ({self._pc(proc, 'n')}) {{"
        for pc in range(1, proc.pcs):
            lines = [*self._always(proc, pc), *self._perhaps(proc, pc)]
            if lines:
                yield f"\tcase {pc}: {{"
                yield from lines
                yield "\t\treturn 0;"
                yield "\t}"
        yield "\tdefault:"
        yield "\t\treturn 0;"
        yield "\t}"
        yield "}"

    def _always(self, proc: Process, pc: int) -> Iterator[str]:
        """A step that can be merged whatever others do, if a condition holds."""
        steps = self.machine.steps_at.get((proc.name, pc), ())
        if len(steps) != 1 or steps[0].id not in self.merging.steps:
            return
        at, condition = steps[0].id, self.merging.steps[steps[0].id]
        test = f"do_{at}(after, self) == NL_FINE"
        if condition != TRUE:
            text = self.text.expr(condition, process_scope(self.machine, proc), "n")
            test = f"({text}) && !bad && {test}"
        yield f"\t\tif ({test}) {{"
        yield "\t\t\tmemcpy(n, after, sizeof(after));"
        yield f"\t\t\tfired[{at}]++;"
        yield "\t\t\treturn 1;"
        yield "\t\t}"
        yield "\t\tmemcpy(after, n, sizeof(after));"
        yield "\t\tbad = 0;"

    def _perhaps(self, proc: Process, pc: int) -> Iterator[str]:
        """A step that can be merged if nobody minds."""
        if self.plan is None or (proc.name, pc, 0) not in self.plan.steps:
            return
        yield "\t\tword first[NL_WORDS];"
        yield "\t\tuint32_t which = NL_NONE;"
        yield ""
        for tr in self.machine.steps_at[proc.name, pc]:
            scope, tabs = guard_scope(self.machine, tr), "\t\t"
            names = [self.text.names.of("p", param.name) for param in tr.params]
            for name, param in zip(names, tr.params, strict=True):
                yield f"{tabs}for (val {name} = {param.lo}; {name} <= {param.hi}; {name}++) {{"
                tabs += "\t"
            test = self.text.expr(tr.guard, scope, "n") if tr.guard != TRUE else "1"
            arguments = ", ".join(["after", *self.text.params(tr)])
            yield f"{tabs}if ({test}) {{"
            yield f"{tabs}\tif (which != NL_NONE)"
            yield f"{tabs}\t\tmemcpy(after, n, sizeof(after));"
            yield f"{tabs}\tif (do_{tr.id}({arguments}) != NL_FINE)"
            yield f"{tabs}\t\treturn 0;"
            yield f"{tabs}\tif (which == NL_NONE) {{"
            yield f"{tabs}\t\twhich = {tr.id};"
            yield f"{tabs}\t\tmemcpy(first, after, sizeof(after));"
            yield f"{tabs}\t}} else if (memcmp(first, after, sizeof(after))) {{"
            yield f"{tabs}\t\treturn 0;"
            yield f"{tabs}\t}}"
            yield f"{tabs}}}"
            for _ in names:
                tabs = tabs[1:]
                yield f"{tabs}}}"
        yield f"\t\tif (bad || which == NL_NONE || !{self._name('first', proc)}(n, first, self))"
        yield "\t\t\treturn 0;"
        yield "\t\tmemcpy(n, first, sizeof(first));"
        yield "\t\tfired[which]++;"
        yield "\t\treturn 1;"
