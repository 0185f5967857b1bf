"""Runs that put a design into the environments where it has few or none of its own.

They are small: whoever frees, by twos, and the barrier. TASK_RUNS are for designs that promise
nothing to NMIs, NMI_BARRIER_RUNS and VMALLOC_RUNS for those that park in front of a krcp what an
NMI frees, and SHEAF_RUNS for those with sheaves.
"""

from model.language.syntax import run

TASK_RUNS = [
    run(
        "frees",
        env=("kmemleak", "debugobjects", "kasan", "no_irq_work_interrupt", "preempt_rt"),
        why="two CPUs, a task and a device interrupt, slab and vmalloc objects",
        hardirqs=1,
        vmallocs=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "frees-up",
        env="up",
        why="softirqs too",
        softirqs=1,
        hardirqs=1,
        vmallocs=1,
        bnodes=0,
    ),
    run(
        "waits",
        env=("up", "kmemleak", "debugobjects", "kasan", "no_irq_work_interrupt", "preempt_rt"),
        why="one CPU: the barrier, slab and vmalloc objects, with the repair of F-1",
        barrier_rearms=True,
        barriers=1,
        hardirqs=1,
        vmallocs=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
]

TWO_CPU_BARRIER_RUNS = [
    run(
        "waits-two-cpus",
        env=("no_irq_work_interrupt", "preempt_rt"),
        why="the barrier on two CPUs, where it sleeps until what is parked has run",
        long=11_000_000,
        barrier_rearms=True,
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        vmallocs=1,
        bnodes=0,
        other_gps=0,
    ),
]

NMI_BARRIER_RUNS = [
    run(
        "waits",
        env=("up", "kmemleak", "debugobjects", "kasan"),
        why="the barrier while an NMI frees, slab and vmalloc objects, with the repair of F-1",
        barrier_rearms=True,
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        vmallocs=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "waits",
        env=("no_irq_work_interrupt", "preempt_rt"),
        why="the same on one CPU: the barrier sleeps until what is parked has run",
        barrier_rearms=True,
        barriers=1,
        nmis=1,
        cpus=1,
        tasks=1,
        objects=1,
        vmallocs=1,
        bnodes=0,
        other_gps=0,
    ),
] + TWO_CPU_BARRIER_RUNS

VMALLOC_RUNS = [
    run(
        "vmalloc",
        env=(
            "smp",
            "up",
            "kmemleak",
            "debugobjects",
            "kasan",
            "preempt_rt",
            "no_irq_work_interrupt",
        ),
        why="one CPU: a task and an NMI free, slab and vmalloc objects",
        nmis=1,
        vmallocs=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
]

SHEAF_RUNS = [
    run(
        "vmalloc",
        env=("smp", "up", "kmemleak", "preempt_rt"),
        why="one CPU: a task and an NMI free, slab and vmalloc objects",
        nmis=1,
        vmallocs=1,
        cpus=1,
        tasks=1,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "frees",
        env=("debugobjects", "kasan", "no_irq_work_interrupt"),
        why="one CPU: whoever may free, slab and vmalloc objects",
        softirqs=1,
        hardirqs=1,
        nmis=1,
        probes=1,
        vmallocs=1,
        cpus=1,
        tasks=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "waits",
        env=("up", "kmemleak", "debugobjects", "kasan"),
        why="the barrier while an NMI frees, slab and vmalloc objects, with the repair of F-1",
        barrier_rearms=True,
        barriers=1,
        nmis=1,
        tasks=1,
        objects=1,
        vmallocs=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "waits",
        env=("no_irq_work_interrupt", "preempt_rt"),
        why="the same on one CPU: the barrier sleeps until what is parked has run",
        barrier_rearms=True,
        barriers=1,
        nmis=1,
        probes=1,
        cpus=1,
        tasks=1,
        objects=1,
        vmallocs=1,
        bnodes=0,
        other_gps=0,
    ),
] + TWO_CPU_BARRIER_RUNS
