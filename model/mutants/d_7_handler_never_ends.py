"""D-7 again: what the second free does to the handler that drains.

On bpf_mem_alloc, whose lists count nothing: the element that is pushed twice is its own successor,
and the irq_work handler moves it for ever.
"""

from model.language.syntax import mutant, run

MUTANT = mutant(
    "D-7-handler",
    title="the same object is freed twice, and the handler drains it for ever",
    design="bpf_mem_alloc",
    run=run(
        "smp",
        env="smp",
        freed_twice=True,
        tasks=1,
        objects=1,
        nmis=2,
        cpus=1,
        other_gps=0,
        properties=("handler_ends",),
    ),
    edits=[],
    violates=("handler_ends",),
    because="the element is its own successor on the list",
)
