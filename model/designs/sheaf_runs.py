"""Runs that the designs with sheaves share, and what they expect.

A design adds them to its own: `RUNS = [...] + SHEAF_RUNS`.
"""

from model.designs.common_runs import (
    BOOT_RUNS,
    BOOT_UNREACHED,
    RECLAIM_EXPECT,
    RECLAIM_RUNS,
    SHRINKER_RUNS,
)
from model.designs.environment_runs import SHEAF_RUNS as IN_ENVIRONMENTS
from model.designs.waiting_runs import (
    HOTPLUG_EXPECT,
    TICK_STOPS_EXPECT,
    TICK_STOPS_RUNS,
    TWO_BARRIERS_EXPECT,
    TWO_BARRIERS_RUNS,
)
from model.language.syntax import expect, run, unreached

NOLOCK_RUNS = [
    run(
        "nolock",
        env="smp",
        why="kmalloc_nolock() and kfree_nolock() too, from NMI and from a probe",
        nolock_users=True,
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "nolock-rt",
        env="preempt_rt",
        why="what kfree_nolock() parks is freed in a thread",
        nolock_users=True,
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "nolock-kmemleak",
        env="kmemleak",
        why="kfree_nolock() does without hooks; and what a reader can find waits for it",
        nolock_users=True,
        cpus=1,
        tasks=1,
        nmis=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "nolock-two-cpus",
        env="smp",
        why="two CPUs share the barn",
        long=2_600_000,
        nolock_users=True,
        sheaves=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "nolock-everybody",
        env="smp",
        why="whoever can free, in all ways",
        long=3_400_000,
        nolock_users=True,
        cpus=1,
        tasks=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
]

HOTPLUG_RUNS = [
    run(
        "hotplug",
        env="smp",
        why="a CPU goes offline and its irq_works run for the last time; no NMI after that",
        hotplug=1,
        late_nmis=False,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-late-nmi",
        env="smp",
        why="an NMI on a CPU that goes offline, after its irq_works have run for the last time",
        hotplug=1,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-repaired",
        env="smp",
        why="the repair of F-7: a dead CPU's irq_works are run elsewhere",
        hotplug=1,
        dead_cpu_irq_works=True,
        callback_lists=True,
        tasks=1,
        nmis=1,
        probes=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-kmemleak",
        env="kmemleak",
        why="the same where more is parked",
        hotplug=1,
        dead_cpu_irq_works=True,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-rt",
        env="preempt_rt",
        why="the irq_work thread of the CPU is parked first",
        hotplug=1,
        late_nmis=False,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-rt-repaired",
        env="preempt_rt",
        why="the repair of F-8: a dead CPU's irq_works are run elsewhere",
        hotplug=1,
        dead_cpu_irq_works=True,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-flush",
        env="smp",
        why="a sheaf that is not full, on a CPU that goes offline: the dead CPU's, or a barrier's",
        properties=("barrier", "lock_discipline"),
        hotplug=1,
        late_nmis=False,
        barriers=1,
        sheaf_capacity=2,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-barrier",
        env="smp",
        why="the barrier after an NMI on a dying CPU",
        properties=("barrier",),
        hotplug=1,
        barriers=1,
        sheaf_capacity=2,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-barrier-repaired",
        env="smp",
        why="the same with the repair of F-7",
        long=2_600_000,
        properties=("barrier",),
        hotplug=1,
        dead_cpu_irq_works=True,
        barriers=1,
        sheaf_capacity=2,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
]

DESTROY_RUNS = [
    run(
        "destroy",
        env="smp",
        why="a cache is destroyed once all its objects have been freed, in all ways",
        cache_destroy=True,
        typesafe_debug=True,
        nolock_users=True,
        other_nodes=True,
        barriers=1,
        barrier_when_unused=True,
        sheaf_capacity=2,
        cpus=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "destroy-two-cpus",
        env="smp",
        why="the same on two CPUs",
        cache_destroy=True,
        nolock_users=True,
        barriers=1,
        barrier_when_unused=True,
        sheaf_capacity=2,
        tasks=1,
        nmis=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "destroy-rt",
        env="preempt_rt",
        why="the same where threads free what is parked",
        cache_destroy=True,
        nolock_users=True,
        barriers=1,
        barrier_when_unused=True,
        sheaf_capacity=2,
        cpus=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
    ),
]

PLACE_RUNS = [
    run(
        "other-nodes",
        env="smp",
        why="objects of another node, which no sheaf takes, among others",
        other_nodes=True,
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "vmalloc",
        env="smp",
        why="vmalloc objects: parked by the nolock entry, and on the krcp in the other",
        kind="vmalloc",
        cpus=1,
        tasks=1,
        nmis=1,
        probes=1,
        bnodes=0,
        other_gps=0,
    ),
]

SHEAF_RUNS = (
    PLACE_RUNS
    + NOLOCK_RUNS
    + HOTPLUG_RUNS
    + DESTROY_RUNS
    + SHRINKER_RUNS
    + RECLAIM_RUNS
    + BOOT_RUNS
    + TWO_BARRIERS_RUNS
    + TICK_STOPS_RUNS
    + IN_ENVIRONMENTS
    + [
        run(
            "barrier-sheaf",
            env="smp",
            why="an NMI fills the sheaf that is about to be flushed; the next tick submits it",
            properties=("barrier",),
            irq_work_interrupt=False,
            barriers=1,
            sheaf_capacity=2,
            cpus=1,
            tasks=1,
            nmis=1,
            bnodes=0,
            other_gps=0,
        ),
        run(
            "boot-callbacks",
            env="smp",
            why="a probe in early boot, where irqs are off, cuts into a task's call_rcu()",
            boot=True,
            callback_lists=True,
            cpus=1,
            tasks=1,
            nmis=1,
            probes=1,
            bnodes=0,
            other_gps=0,
        ),
    ]
)

SHEAF_EXPECT = (
    RECLAIM_EXPECT
    + TWO_BARRIERS_EXPECT
    + TICK_STOPS_EXPECT
    + HOTPLUG_EXPECT
    + [
        expect(
            "no_lost_objects",
            runs=("destroy", "destroy-two-cpus"),
            verdict="violated",
            because="F-2: a sheaf that is not full waits until another free, or a barrier, comes",
            reported="by design",
        ),
    ]
)

SHEAF_UNREACHED = BOOT_UNREACHED + [
    unreached(
        "schedule_delayed_monitor_work",
        "far = krcp.monitor_work.far",
        process="takedown",
        because="needs two objects and a dead CPU: two to seven million states",
    ),
    unreached(
        "attach_page",
        "front.newer = page",
        process="softirq",
        because="where softirqs free there is one page, to stay small; tasks reach it",
    ),
]
