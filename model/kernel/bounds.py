"""How much happens in one execution: sizes, and budgets of arrivals over the whole run.

A budget bounds a whole execution, not a moment: `nmis = 1` is one NMI anywhere, at any time.
What a budget leaves out is part of every verdict.
"""

from model.language.syntax import Range, cfg, knob, record

knob("cpus", 2, "CPUs")
knob("objects", 2, "objects; each is given to a free call at most once")
knob("vmallocs", 0, "objects, at most, that vmalloc allocated; the others are slab objects")
knob("tasks", 2, "client tasks that can be under way at the same time")
knob("sleepers", 0, "client tasks that sleep in their free call, under way at the same time")
knob("workers", 1, "workqueue workers that can be under way at the same time")
knob("nmis", 0, "NMIs that call the free function, over the whole run")
knob("softirqs", 0, "softirqs that call the free function, over the whole run")
knob("hardirqs", 0, "device interrupts that call the free function, over the whole run")
knob("probes", 0, "probe hits that call the free function, over the whole run")
knob("readers", 0, "RCU readers, each once")
knob("preemptions", 0, "times a preemptible task is switched out (and may migrate)")
knob("barriers", 0, "calls of the barrier, over the whole run")
knob("shrinks", 0, "times the shrinker runs, over the whole run")
knob("hotplug", 0, "times a CPU goes offline, over the whole run")
knob("other_gps", 1, "grace periods that somebody else asks for, over the whole run")


@record(single=True)
class Budget:
    """What may still arrive."""

    nmis: Range[0, cfg.nmis] = cfg.nmis
    softirqs: Range[0, cfg.softirqs] = cfg.softirqs
    hardirqs: Range[0, cfg.hardirqs] = cfg.hardirqs
    probes: Range[0, cfg.probes] = cfg.probes
    other_gps: Range[0, cfg.other_gps] = cfg.other_gps
    preemptions: Range[0, cfg.preemptions] = cfg.preemptions
    hotplug: Range[0, cfg.hotplug] = cfg.hotplug
