"""The names a model file imports: the vocabulary of the modelling language.

Model files are compiled from their syntax trees and never executed, so everything here does
nothing. It exists so that editors and linters know the names, and so that this file is the list
of what the language has. `docs/language.md` explains each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def _decorator(*_args: Any, **_kwargs: Any) -> Any:
    def keep(thing: T) -> T:
        return thing

    return keep


def _plain(thing: T) -> T:
    return thing


# Declarations ---------------------------------------------------------------------------------

record: Callable[..., Any] = _decorator
"""`@record(count=N)`, `@record(per=Cpu)`, `@record(single=True)` or `@record()` (only embedded)."""

routine: Callable[..., Any] = _decorator
"""`@routine(models="file: function, version")`: a traceable function; one access, one step."""

inline: Callable[..., Any] = _decorator
"""Like `routine`, but no probe can be attached to its entry and exit."""

atomic: Callable[..., Any] = _decorator
"""The whole body is one step. For what the hardware does atomically, and for ghost updates."""

pure: Callable[[T], T] = _plain
"""A function that is one expression; usable in guards, predicates and invariants."""

process: Callable[..., Any] = _decorator
"""`@process(per=Record, may_run=predicate)`: a context with a program counter and locals."""

action: Callable[..., Any] = _decorator
"""`@action(environment=bool)`: one atomic transition; its parameters take every value."""


def on(*_args: Any) -> Callable[[T], T]:
    """`@on("event")`: a monitor of a property; runs inside the step that raises the event."""
    return _plain


def invariant(*_args: Any) -> Callable[[T], T]:
    """`@invariant("message")`: a predicate over the state that always holds."""
    return _plain


def goal(*_args: Any) -> Callable[[T], T]:
    """`@goal("message")`: holds in every state of rest and stays reachable from every state."""
    return _plain


holder_test: Callable[[T], T] = _plain
"""Marks the pure function that says whether the running context holds a lock of a type."""

free_test: Callable[[T], T] = _plain
"""Marks the pure function that says whether nobody holds a lock of a type."""

knob: Callable[..., None] = _decorator
"""`knob("name", default, "meaning")`: declares `cfg.name`."""


set_knob: Callable[..., None] = _decorator
"""`set_knob("name", value)`: a design's own default for a knob of a file it imports."""


class Enum:
    """Base class of an enumeration: `class State(Enum): IDLE = 0; BUSY = 1`."""


# Types and fields -----------------------------------------------------------------------------

cfg: Any = None
Range: Any = None
Array: Any = None
Embed: Any = None
Ghost: Any = None
Static: Any = None
Routine: Any = None
Cookie: Any = None
NULL: Any = None

guarded: Callable[..., Any] = _decorator
"""`field: T = guarded("lock")`: touched only under the sibling lock (or `Owner.lock`)."""

field: Callable[..., Any] = _decorator
"""`field(initial=..., link="next", count="n")`: initial value; head of a list through `link`."""

embed: Callable[..., Any] = _decorator
"""`work: Embed[Work] = embed(func=handler)`: values of the embedded record's static fields."""

# Statements and expressions -------------------------------------------------------------------

choose: Callable[..., Any] = _decorator
choose_or_null: Callable[..., Any] = _decorator
wait_until: Callable[..., Any] = _decorator
require: Callable[..., Any] = _decorator
check: Callable[..., Any] = _decorator
event: Callable[..., Any] = _decorator
tracepoint: Callable[..., Any] = _decorator
start: Callable[..., Any] = _decorator
call_entry: Callable[..., Any] = _decorator
active: Callable[..., Any] = _decorator
at_probe_point: Callable[..., Any] = _decorator
runs_in: Callable[..., Any] = _decorator
me: Callable[..., Any] = _decorator
before_cookie_use: Callable[..., Any] = _decorator
my: Callable[..., Any] = _decorator
of: Callable[..., Any] = _decorator
instances: Callable[..., Any] = _decorator
container_of: Callable[..., Any] = _decorator
READ_ONCE: Callable[..., Any] = _decorator
cookie: Callable[..., Any] = _decorator
elapsed: Callable[..., Any] = _decorator
age_cookies: Callable[..., Any] = _decorator
count: Callable[..., Any] = _decorator

# What a design file says about itself (read as data) --------------------------------------------

run: Callable[..., Any] = _decorator
"""`run("name", env="smp", why="...", nmis=1, ...)`: an environment with bounds and knobs."""

expect: Callable[..., Any] = _decorator
"""`expect("property", runs=("name",), verdict="violated", because="...", reported="...")`."""

unreached: Callable[..., Any] = _decorator
"""`unreached("routine", "statement", because="...")`: a step that no run of the design reaches."""

mutant: Callable[..., Any] = _decorator
"""`mutant("id", design=..., run=run(...), edits=[...], violates=(...), because="...")`."""

replace: Callable[..., Any] = _decorator
"""`replace("file", "routine", old="statement", new="statements")`: an edit of a mutant."""
