"""Runs that the designs with a krcp share, and what they expect.

TASK_KRCP_RUNS are for those that promise nothing to NMIs, DEFERRAL_RUNS for those that park objects
in front of it. A design adds them to its own: `RUNS = [...] + DEFERRAL_RUNS`.
"""

from model.designs.common_runs import (
    BOOT_RUNS,
    BOOT_UNREACHED,
    RECLAIM_EXPECT,
    RECLAIM_RUNS,
    SHRINKER_RUNS,
)
from model.designs.environment_runs import NMI_BARRIER_RUNS, TASK_RUNS, VMALLOC_RUNS
from model.designs.waiting_runs import (
    HOTPLUG_EXPECT,
    TICK_STOPS_EXPECT,
    TICK_STOPS_RUNS,
    TWO_BARRIERS_EXPECT,
    TWO_BARRIERS_RUNS,
)
from model.language.syntax import expect, run, unreached

KRCP_RUNS = RECLAIM_RUNS + [
    run(
        "softirqs",
        env="smp",
        why="a softirq frees too, and a device interrupt on top of it",
        softirqs=1,
        hardirqs=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "delays",
        env="smp",
        why="a page's worth is two objects: the long delay is cut short, while the timer fires",
        tasks=1,
        bnodes=0,
        bnode_records=2,
        other_gps=0,
    ),
    run(
        "pages",
        env="smp",
        why="pages of two records, two workers",
        cpus=1,
        objects=3,
        tasks=1,
        workers=2,
        bnodes=2,
        bnode_records=2,
        other_gps=0,
    ),
    run(
        "destroy",
        env="smp",
        why="a cache is destroyed once all its objects have been freed; slab may delay each free",
        cache_destroy=True,
        typesafe_debug=True,
        barriers=1,
        barrier_when_unused=True,
        cpus=1,
        tasks=1,
        hardirqs=1,
        bnodes=1,
        other_gps=0,
    ),
]

TASK_KRCP_RUNS = KRCP_RUNS + TASK_RUNS

PARKING_RUNS = [
    run(
        "irqs",
        env="smp",
        why="device interrupts free too",
        hardirqs=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "barrier",
        env="smp",
        why="the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        objects=1,
        other_gps=0,
    ),
    run(
        "barrier-lists",
        env="smp",
        why="one CPU, two objects: the barrier while an NMI frees",
        barriers=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        cpus=1,
        other_gps=0,
    ),
    run(
        "destroy-parked",
        env="smp",
        why="the same where an NMI has freed some of them",
        cache_destroy=True,
        barriers=1,
        barrier_when_unused=True,
        cpus=1,
        tasks=1,
        nmis=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "no-interrupt",
        env="no_irq_work_interrupt",
        why="what is parked waits for the tick",
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "no-interrupt-barrier",
        env="no_irq_work_interrupt",
        why="the barrier sleeps while it waits for an irq_work",
        barriers=1,
        cpus=1,
        objects=1,
        nmis=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "rt-preempted",
        env="preempt_rt",
        why="a thread is switched out inside its read-side section, while it drains what is parked",
        softirqs=1,
        nmis=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        bnodes=0,
    ),
    run(
        "hotplug-late-nmi",
        env="smp",
        why="an NMI on a CPU that goes offline, after its irq_works have run for the last time",
        hotplug=1,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-repaired",
        env="smp",
        why="the repair of F-7: a dead CPU's irq_works are run elsewhere; the shrinker meanwhile",
        hotplug=1,
        dead_cpu_irq_works=True,
        nmis=1,
        tasks=1,
        workers=2,
        shrinks=1,
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
        nmis=1,
        tasks=1,
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
        nmis=1,
        tasks=1,
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
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "hotplug-barrier-repaired",
        env="smp",
        why="the same with the repair of F-7",
        properties=("barrier",),
        hotplug=1,
        dead_cpu_irq_works=True,
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
]

DEFERRAL_RUNS = (
    KRCP_RUNS
    + SHRINKER_RUNS
    + PARKING_RUNS
    + TWO_BARRIERS_RUNS
    + TICK_STOPS_RUNS
    + BOOT_RUNS
    + NMI_BARRIER_RUNS
    + VMALLOC_RUNS
)

DEFERRAL_EXPECT = (
    RECLAIM_EXPECT
    + TWO_BARRIERS_EXPECT
    + TICK_STOPS_EXPECT
    + HOTPLUG_EXPECT
    + [
        expect(
            "no_lost_objects",
            runs=("barrier", "barrier-lists", "no-interrupt-barrier"),
            verdict="violated",
            because="F-1: the barrier's cancel_delayed_work_sync() swallows a monitor armed "
            "meanwhile",
        ),
    ]
)

DEFERRAL_UNREACHED = BOOT_UNREACHED + [
    unreached(
        "schedule_delayed_monitor_work",
        "far = krcp.monitor_work.far",
        process="takedown",
        because="needs two objects and a dead CPU: two to seven million states",
    ),
]
