"""handler_ends: every softirq, hardirq, NMI and probe handler comes to its end.

From the moment a handler has begun, it ends by itself if everybody who can run gets his turn: it
neither goes round for ever nor waits for what never comes.

Violated by: a list whose last node is linked to a node before it, or to itself; waiting in a
handler for what only the interrupted context could do.
"""

from model.kernel.contexts import hardirq, nmi, probe, softirq
from model.kernel.cpu import Cpu
from model.language.syntax import active, goal


@goal("handler_ends", "a softirq never ends")
def softirq_ends(cpu: Cpu) -> bool:
    """No softirq is under way on this CPU."""
    return not active(softirq, cpu)


@goal("handler_ends", "a hardirq handler never ends")
def hardirq_ends(cpu: Cpu) -> bool:
    """No hardirq handler is under way on this CPU."""
    return not active(hardirq, cpu)


@goal("handler_ends", "an NMI handler never ends")
def nmi_ends(cpu: Cpu) -> bool:
    """No NMI handler is under way on this CPU."""
    return not active(nmi, cpu)


@goal("handler_ends", "a probe never ends")
def probe_ends(cpu: Cpu) -> bool:
    """No probe is under way on this CPU."""
    return not active(probe, cpu)
