"""Runs of designs that park objects: what waits for an irq_work, and what raises it.

Two barriers wait for the same one; an idle CPU stops the tick that would run it; and a CPU goes
offline with it.
"""

from model.language.syntax import expect, run

TWO_BARRIERS_RUNS = [
    run(
        "two-barriers",
        env="preempt_rt",
        why="two tasks call the barrier at once",
        properties=("barrier",),
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "two-barriers-repaired",
        env="preempt_rt",
        why="the repair of F-4: a mutex around irq_work_sync()",
        properties=("barrier",),
        barrier_mutex=True,
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "two-barriers-no-interrupt",
        env="no_irq_work_interrupt",
        why="two tasks call the barrier at once; they sleep until the tick has run the irq_work",
        long=5_400_000,
        properties=("barrier",),
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "two-barriers-no-interrupt-repaired",
        env="no_irq_work_interrupt",
        why="the same with the repair of F-4",
        long=5_400_000,
        properties=("barrier",),
        barrier_mutex=True,
        cpus=1,
        barriers=2,
        nmis=1,
        tasks=1,
        objects=1,
        bnodes=0,
        other_gps=0,
    ),
]

TWO_BARRIERS_EXPECT = [
    expect(
        "barrier",
        runs=("two-barriers", "two-barriers-no-interrupt"),
        verdict="violated",
        because="F-4: irq_work_sync() has one slot for a waiter; the second takes the first's",
        reported="callers of irq_work_sync() must serialise; nothing here does",
    ),
]

TICK_STOPS_RUNS = [
    run(
        "tick-stops",
        env="smp",
        why="an idle CPU stops its tick, while an NMI frees",
        tick_stops=True,
        nmis=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "tick-stops-no-interrupt",
        env="no_irq_work_interrupt",
        why="the same where only the tick runs what is parked",
        tick_stops=True,
        nmis=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
]

TICK_STOPS_EXPECT = [
    expect(
        "no_lost_objects",
        runs=("tick-stops-no-interrupt",),
        verdict="violated",
        because="F-13: what an NMI parks while the tick stops waits until something wakes the CPU",
    ),
]

HOTPLUG_EXPECT = [
    expect(
        "no_lost_objects",
        runs=("hotplug-late-nmi",),
        verdict="violated",
        because="F-7: an irq_work queued after the last run of a dying CPU's lists stays there",
    ),
    expect(
        "barrier",
        runs=("hotplug-barrier",),
        verdict="violated",
        because="F-7: the barrier waits for that irq_work",
    ),
    expect(
        "no_lost_objects",
        runs=("hotplug-rt",),
        verdict="violated",
        because="F-8: on PREEMPT_RT the thread that would run the irq_work is parked by then",
    ),
]
"""Of the runs of these names, which each family of designs has with bounds of its own."""
