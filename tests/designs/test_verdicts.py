"""The small runs of each design give the verdicts that the design expects.

Guards against a change in the language, the kernel's parts or the engine that moves a verdict.
The large runs are `make verify`'s.
"""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from nolock.cli import nolock

RUNS = [
    ("mainline", "barrier"),
    ("mainline", "barrier-repaired"),
    ("caller_declared", "up"),
    ("caller_declared", "two-barriers"),
    ("rfc_v2", "readers"),
    ("rfc_v2", "shrinker"),
    ("rfc_v2", "boot"),
    ("rfc_v2", "barrier-shrinker"),
    ("landed", "full-sheaves"),
    ("landed", "boot"),
    ("landed", "boot-rt"),
    ("landed", "barrier-shrinker-repaired"),
    ("landed", "up"),
    ("call_rcu_nmi", "nmi"),
    ("call_rcu_nmi", "any-context"),
    ("bpf_mem_alloc", "any-context"),
    ("bpf_mem_alloc", "irqs"),
    ("mainline", "rearm"),
    ("mainline", "delays"),
    ("mainline", "pages"),
    ("mainline", "migration"),
    ("mainline", "shrinker"),
    ("mainline", "shrinker-lists"),
    ("mainline", "one-argument"),
    ("mainline", "page-worker"),
    ("mainline", "page-worker-one-argument"),
    ("mainline", "unbatched"),
    ("rcu_ptr", "unbatched"),
    ("rfc_v2", "unbatched"),
    ("allow_spin", "unbatched"),
    ("allow_spin", "unbatched-repaired"),
    ("allow_spin", "unbatched-vmalloc"),
    ("allow_spin", "unbatched-clients"),
    ("allow_spin", "unbatched-destroy"),
    ("landed", "unbatched"),
    ("landed", "unbatched-repaired"),
    ("landed", "unbatched-vmalloc"),
    ("landed", "unbatched-clients"),
    ("landed", "unbatched-hotplug"),
    ("landed", "unbatched-destroy"),
    ("nmi_detect", "shrinker"),
    ("nmi_detect", "no-interrupt-barrier"),
    ("allow_spin", "no-interrupt-barrier"),
    ("caller_declared", "no-interrupt"),
    ("nmi_detect", "hotplug"),
    ("nmi_detect", "hotplug-late-nmi"),
    ("caller_declared", "hotplug-late-nmi"),
    ("caller_declared", "hotplug-rt"),
    ("allow_spin", "hotplug-rt"),
    ("rcu_ptr", "vmalloc"),
    ("rcu_ptr", "kfence"),
    ("rcu_ptr", "tags"),
    ("nmi_detect", "two-nmis"),
    ("nmi_detect", "up"),
    ("nmi_detect", "rt"),
    ("nmi_detect", "irqs"),
    ("allow_spin", "up"),
    ("allow_spin", "up-lists"),
    ("allow_spin", "up-repaired"),
    ("allow_spin", "k7-record"),
    ("allow_spin", "k7-skip"),
    ("allow_spin", "k1-k4-k5"),
    ("allow_spin", "rt"),
    ("allow_spin", "debugobjects"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("design", "run"), RUNS, ids=[f"{d}-{r}" for d, r in RUNS])
def test_verdicts_are_as_expected(design: str, run: str) -> None:
    """Exit code 0: every verdict matches exactly one expectation."""
    result = CliRunner().invoke(nolock, ["verify", design, "--run", run])
    assert result.exit_code == 0, result.output
