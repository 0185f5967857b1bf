"""The environments: kernel configurations that designs state their expectations for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Environment:
    """Knob settings with a name. A run may set any of these knobs differently."""

    name: str
    words: str
    knobs: tuple[tuple[str, int], ...]


ENVIRONMENTS: Mapping[str, Environment] = {
    env.name: env
    for env in (
        Environment("smp", "CONFIG_SMP, no debugging aids", (("smp", 1),)),
        Environment(
            "up",
            "one CPU without CONFIG_SMP: raw spinlocks are no locks, a trylock always succeeds",
            (("smp", 0), ("cpus", 1), ("tasks", 1)),
        ),
        Environment(
            "kmemleak",
            "SMP with CONFIG_DEBUG_KMEMLEAK: its hooks take a raw lock",
            (("smp", 1), ("kmemleak", 1)),
        ),
        Environment(
            "debugobjects",
            "SMP with CONFIG_DEBUG_OBJECTS_RCU_HEAD: queueing takes a hash bucket's raw lock",
            (("smp", 1), ("debugobjects", 1)),
        ),
        Environment(
            "preempt_rt",
            "SMP with CONFIG_PREEMPT_RT: irq_works that are not hard run in a thread",
            (("smp", 1), ("preempt_rt", 1)),
        ),
        Environment(
            "no_irq_work_interrupt",
            "SMP, an architecture without the irq_work interrupt: the tick runs all of them",
            (("smp", 1), ("irq_work_interrupt", 0)),
        ),
        Environment(
            "kasan",
            "SMP with CONFIG_KASAN_GENERIC: the free path saves its stack in the stack depot",
            (("smp", 1), ("kasan_generic", 1)),
        ),
    )
}


def contradiction(settings: Mapping[str, int], defaults: Mapping[str, int], env: str) -> str:
    """What is wrong with settings that exclude each other, in words; else empty.

    `defaults` are the values of the knobs that are not set; `env` names where some of them are.
    """
    config = {**defaults, **settings}
    if config.get("cpus", 1) < 1:
        return f"cpus={config['cpus']}: there is at least one CPU"
    if config.get("smp", 1) or config.get("cpus", 1) <= 1:
        return ""
    of_env = "" if dict(ENVIRONMENTS[env].knobs).get("smp", 1) else f" (environment `{env}`)"
    cpus = config["cpus"]
    return f"smp=0{of_env} and cpus={cpus} exclude each other: without CONFIG_SMP there is one CPU"
