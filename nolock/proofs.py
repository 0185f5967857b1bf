"""Start-address proofs as tasks. Each verdict is kept as it is reached, however the rest ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engines.symbolic.address_verdict import AddressVerdict
from nolock.explored import Failure
from nolock.schedule import Hooks, Task

_WEIGHT = 3e7
"""In states of a search (see `sizes.py`): proofs take long, and begin early."""


@dataclass(frozen=True)
class Proved:
    """A verdict on its way from the process that reached it."""

    verdict: AddressVerdict
    done: int
    cases: int

    def __str__(self) -> str:
        return f"{self.done} of {self.cases} proofs"


@dataclass(frozen=True)
class ProofTasks:
    """The proofs of some recoveries, one process for each; `seconds` is the limit of each."""

    recoveries: tuple[str, ...]
    seconds: float | None = None
    reached: dict[str, list[AddressVerdict]] = field(default_factory=dict)

    @property
    def tasks(self) -> list[Task]:
        """For the scheduler."""
        return [Task(_key(name), _prove, (name, self.seconds), _WEIGHT) for name in self.recoveries]

    def hooks(self, others: Hooks) -> Hooks:
        """Hooks that keep the verdicts and pass everything on."""

        def said(key: str, message: Any) -> None:
            if isinstance(message, Proved):
                self.reached.setdefault(key, []).append(message.verdict)
            others.said(key, message)

        return Hooks(others.began, said, others.ended)

    def verdicts(self, results: Mapping[str, Any]) -> tuple[AddressVerdict, ...]:
        """All verdicts; those that were not reached are incomplete and say why."""
        return tuple(v for name in self.recoveries for v in self._of(name, results[_key(name)]))

    def _of(self, name: str, result: list[AddressVerdict] | Failure) -> list[AddressVerdict]:
        if not isinstance(result, Failure):
            return result
        from engines.symbolic.start_address import undecided

        reached = self.reached.get(_key(name), [])
        interrupted = result.kind == "interrupted"
        reason = "not done: interrupted" if interrupted else f"not done: {result.text}"
        return reached + undecided(name, len(reached), reason)

    def failed(self, results: Mapping[str, Any]) -> tuple[str, ...]:
        """What went wrong, other than that the user stopped it."""
        found = [(name, results[_key(name)]) for name in self.recoveries]
        return tuple(
            f"{name}: {result.text}"
            for name, result in found
            if isinstance(result, Failure) and result.kind != "interrupted"
        )


def _key(recovery: str) -> str:
    return f"start_address/{recovery}"


def _prove(request: tuple[str, float | None], report: Any) -> list[AddressVerdict]:
    """In a process of its own; Z3 takes a while to load."""
    from engines.symbolic.start_address import prove_start_address

    recovery, seconds = request
    return prove_start_address(
        [recovery],
        progress=lambda verdict, done, cases: report(Proved(verdict, done, cases)),
        time_limit=seconds,
    )
