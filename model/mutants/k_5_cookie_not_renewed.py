"""K-5: the list's grace-period cookie is taken for the first object and not renewed.

A grace period that somebody else started covers the first object, not the second; both are freed
when it ends, while a reader that found the second one is still there. Derived, no report found.
"""

from model.language.syntax import mutant, replace, run

MUTANT = mutant(
    "K-5",
    title="the cookie of the list is not renewed with each object",
    design="mainline",
    run=run("smp", env="smp", readers=1, other_gps=1, bnodes=0),
    edits=[
        replace(
            "model/designs/krcp.py",
            "add_to_list",
            old="krcp.head_gp_snap = snap",
            new="""
if first == NULL:
    krcp.head_gp_snap = snap
""",
        ),
    ],
    violates=("grace_period",),
    because="the second object waits for a grace period that began before its free call",
)
