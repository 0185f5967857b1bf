"""CH-3: what vmalloc allocated goes into the channel of slab objects.

Its records are then given to kfree_bulk(). Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "CH-3",
    title="every record goes into the slab channel",
    design="mainline",
    run=run("smp", env="smp", vmallocs=1, tasks=1, cpus=1, bnodes=1, other_gps=0),
    edits=[
        replace(
            "model/designs/bulk_channels.py",
            "channel_of",
            old="return VMALLOC if is_vmalloc_addr(obj) else SLAB",
            new="return SLAB",
        ),
    ],
    violates=("start_address",),
    because="kfree_bulk() is given an address that no slab has",
)
