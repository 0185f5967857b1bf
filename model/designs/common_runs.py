"""Runs of every design with a krcp, whatever is in front of it: the shrinker and early boot.

RECLAIM_RUNS and RECLAIM_EXPECT are for all of them. SHRINKER_RUNS and BOOT_RUNS are for those that
park objects and free from NMI; the others have their own, with device interrupts or pages instead.
krcp_runs.py and sheaf_runs.py add them to theirs.
"""

from model.language.syntax import expect, run, unreached

SHRINKER_RUNS = [
    run(
        "shrinker",
        env="smp",
        why="memory is short: the monitor's body runs in the shrinker too",
        shrinks=1,
        tasks=1,
        objects=1,
        readers=1,
        bnodes=0,
        other_gps=0,
    ),
]

RECLAIM_RUNS = [
    run(
        "shrinker-lists",
        env="smp",
        why="one CPU, two objects: the shrinker and the monitor's work are preempted",
        shrinks=1,
        preemptions=1,
        cpus=1,
        tasks=1,
        bnodes=0,
        other_gps=0,
    ),
    run(
        "barrier-shrinker",
        env="smp",
        why="the barrier while the shrinker frees",
        properties=("barrier",),
        cpus=1,
        barriers=1,
        shrinks=1,
        preemptions=1,
        tasks=1,
        objects=1,
        bnodes=0,
    ),
    run(
        "barrier-shrinker-repaired",
        env="smp",
        why="the repair of F-10: the barrier waits for the shrinker",
        properties=("barrier",),
        barrier_waits_for_shrinker=True,
        cpus=1,
        barriers=1,
        shrinks=1,
        preemptions=1,
        tasks=1,
        objects=1,
        bnodes=0,
    ),
]

RECLAIM_EXPECT = [
    expect(
        "barrier",
        runs=("barrier-shrinker",),
        verdict="violated",
        because="F-10: the barrier does not wait for what the shrinker has taken and not freed yet",
    ),
]

BOOT_RUNS = [
    run(
        "boot",
        env="smp",
        why="from early boot on: before RCU, the batching machinery and the scheduler are up",
        boot=True,
        tasks=1,
        objects=1,
        nmis=1,
        bnodes=1,
        other_gps=0,
    ),
    run(
        "boot-lists",
        env="smp",
        why="one CPU, two objects: what was queued or parked before the scheduler runs",
        boot=True,
        cpus=1,
        tasks=1,
        nmis=2,
        bnodes=2,
        other_gps=0,
    ),
    run(
        "boot-rt",
        env="preempt_rt",
        why="the irq_work thread is not there yet when something is parked",
        boot=True,
        cpus=1,
        tasks=1,
        nmis=2,
        bnodes=0,
        other_gps=0,
    ),
]

BOOT_UNREACHED = [
    unreached(
        "schedule_delayed_monitor_work",
        "*",
        process="boot_client",
        because="the boot task frees before the scheduler runs, and until then nothing is armed",
    ),
]
