"""costs: what a free call takes. No property: nothing must hold; monitors that let it be measured.

A bit changes with each event, so a step raised the event if the bit differs before and after it. No
step raises one event twice for one object. Only machines that are made for measuring have these.
"""

from model.kernel.cpu import Cpu
from model.kernel.handlers import irq_can_arrive
from model.kernel.objects import Object
from model.language.syntax import goal, of, on, record

CONTEXT_TESTS = (
    "in_nmi",
    "irqs_disabled",
    "runs_in",
    "hits_handler",
    "can_spin_trylock",
    "raw_spin_trylock",
    "spin_trylock",
    "local_trylock",
)
"""What code asks when it wants to know where it runs, or whether it has cut into something."""


@record(per=Object)
class Life:
    """What has happened to an object: a call was made with it, a list took it, it was freed."""

    given: bool
    queued: bool
    freed: bool


@record(single=True)
class Raised:
    """What has been raised, by whatever context."""

    irq_work: bool
    self_ipi: bool


@on("given")
def given(obj: Object) -> None:
    """A client passes the object to a free call."""
    life = of(Life, obj)
    life.given = not life.given


@on("queued")
def queued(obj: Object) -> None:
    """A list, a page of records or a sheaf takes the object."""
    life = of(Life, obj)
    life.queued = not life.queued


@on("freed")
def freed(obj: Object) -> None:
    """The allocator takes the object back."""
    life = of(Life, obj)
    life.freed = not life.freed


@on("irq_work_queued")
def irq_work_queued() -> None:
    """An irq_work that was not pending goes onto a list."""
    Raised.irq_work = not Raised.irq_work


@on("self_ipi")
def self_ipi() -> None:
    """A CPU interrupts itself."""
    Raised.self_ipi = not Raised.self_ipi


@goal("irqs_off", "whether irqs are off on some CPU")
def irqs_off() -> bool:
    """As irqs_disabled() sees it: in a handler they are."""
    return any(not irq_can_arrive(cpu) for cpu in Cpu)
