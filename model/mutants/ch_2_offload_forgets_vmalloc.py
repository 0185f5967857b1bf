"""CH-2: need_offload_krc() looks at the channel of slab objects only.

The barrier takes a krcp for empty that has a page of what vmalloc allocated, and cancels the
monitor. Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "CH-2",
    title="a krcp with a page of vmalloc objects counts as empty",
    design="mainline",
    run=run(
        "smp",
        env="smp",
        vmallocs=1,
        barriers=1,
        tasks=1,
        cpus=1,
        objects=1,
        bnodes=1,
        other_gps=0,
        properties=("barrier",),
    ),
    edits=[
        replace(
            "model/designs/krcp.py",
            "something_is_queued",
            old="for channel in range(CHANNELS):\n"
            "    front = READ_ONCE(krcp.bulk[channel].front)\n"
            "    if front != NULL:\n        return True",
            new="front = READ_ONCE(krcp.bulk[SLAB].front)\nif front != NULL:\n    return True",
        ),
    ],
    violates=("barrier",),
    because="the barrier hands nothing to a batch and has nothing to wait for",
)
