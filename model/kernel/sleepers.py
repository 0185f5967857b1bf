"""Task contexts that may sleep: callers of the barrier, and clients whose free call may wait.

Abstractions:
* They begin as the tasks in tasks.py do, and what is said of clients there is so here.
* Being woken is no step of somebody else: a sleeper can go on once what it waits for is there
  (waiting.py), at any later moment, and gets any CPU that has no task. A wake-up that the kernel's
  own code loses is missed, except where it has one slot for who waits (irq_work_sync()).
* A caller calls the barrier once. Whoever calls it again is another caller, and `barriers` says how
  many there are. None of them frees anything.
* A client sleeps only where its free call does: that it comes from a longer section in which it may
  sleep makes no difference to the call.
"""

from model.kernel.cpu import (
    BarrierCaller,
    Client,
    Cpu,
    Sleeper,
    SleepingClient,
    quiescent,
    task_runs,
)
from model.kernel.interrupts import task_exits
from model.kernel.objects import Object, free_call_returns, give, may_be_given
from model.kernel.rcu import can_begin_a_reader, perhaps_begin_a_reader
from model.language.syntax import (
    NULL,
    action,
    active,
    atomic,
    call_entry,
    cfg,
    event,
    knob,
    process,
    pure,
    require,
    start,
)


@pure
def may_go_on(sleeper: Sleeper) -> bool:
    """The model's own: the task is on top of its CPU, or is asleep and what it waits for can come
    about."""
    return task_runs(sleeper.task) or sleeper.asleep


@pure
def may_be_switched_in(sleeper: Sleeper, cpu: Cpu) -> bool:
    """select_task_rq() (kernel/sched/core.c): the task no longer sleeps, or was preempted, and
    there is an idle CPU for it."""
    return (
        sleeper.task.cpu == NULL
        and not sleeper.asleep
        and cpu.curr == NULL
        and quiescent(cpu)
        and (sleeper.target == NULL or sleeper.target == cpu)
    )


@atomic(models="kernel/sched/core.c: context_switch")
def is_switched_in(sleeper: Sleeper, cpu: Cpu) -> None:
    """The task has the CPU."""
    sleeper.target = NULL
    cpu.curr = sleeper.task
    sleeper.task.cpu = cpu


# --- callers of the barrier ---------------------------------------------------------------------

knob(
    "barrier_when_unused",
    False,
    "the barrier is only called when every object has been given to a free call that has returned",
)


@pure
def nobody_frees_any_more() -> bool:
    """The model's own: no object is left to free, and no context that may be in a free call is
    under way.

    Handlers that free nothing are waited for too; what they do next, the barrier meets anyway.
    """
    return (
        all(o.given for o in Object)
        and not any(active(client, c) for c in Client)
        and not any(active(sleeping_client, c) for c in SleepingClient)
        and not any(active(softirq, c) or active(hardirq, c) for c in Cpu)
        and not any(active(nmi, c) or active(probe, c) for c in Cpu)
    )


@pure
def barrier_runs(who: BarrierCaller) -> bool:
    """The model's own: the caller can take its next step, or wait."""
    return may_go_on(who.sleeper)


@process(per=BarrierCaller, may_run=barrier_runs, when=cfg.barriers > 0)
def barrier(who: BarrierCaller) -> None:
    """A client of ours: a task that calls the barrier, or destroys a cache (cache_destroy.py)."""
    call_entry("barrier")
    event("barrier_returns", who)
    task_exits(who.sleeper.task)


@action(environment=True, when=cfg.barriers > 0)
def barrier_is_called(who: BarrierCaller, cpu: Cpu) -> None:
    """A client of ours: a task on an idle CPU calls the barrier."""
    require(not who.used and cpu.curr == NULL and quiescent(cpu))
    require(not cfg.barrier_when_unused or nobody_frees_any_more())
    who.used = True
    cpu.curr = who.sleeper.task
    who.sleeper.task.cpu = cpu
    event("barrier_begins", who)
    start(barrier, who)


@action(when=cfg.barriers > 0)
def barrier_is_switched_in(who: BarrierCaller, cpu: Cpu) -> None:
    """context_switch() (kernel/sched/core.c): a caller gets a CPU back."""
    require(active(barrier, who) and may_be_switched_in(who.sleeper, cpu))
    is_switched_in(who.sleeper, cpu)


# --- clients that may sleep ---------------------------------------------------------------------


@pure
def sleeping_client_runs(who: SleepingClient) -> bool:
    """The model's own: the client can take its next step, or wait."""
    return may_go_on(who.sleeper)


@process(per=SleepingClient, may_run=sleeping_client_runs, when=cfg.sleepers > 0)
def sleeping_client(who: SleepingClient, obj: Object) -> None:
    """A client of ours: a task that makes one free call, and may sleep in it."""
    call_entry("sleeping_client", obj)
    free_call_returns(obj)
    task_exits(who.sleeper.task)


@action(environment=True, when=cfg.sleepers > 0)
def sleeping_client_frees(who: SleepingClient, cpu: Cpu, obj: Object, reader: bool) -> None:
    """A client of ours: a task on an idle CPU frees an object, preemptible and with irqs on."""
    require(
        not active(sleeping_client, who)
        and cpu.curr == NULL
        and quiescent(cpu)
        and may_be_given(obj)
        and can_begin_a_reader(reader)
    )
    cpu.curr = who.sleeper.task
    who.sleeper.task.cpu = cpu
    perhaps_begin_a_reader(reader)
    give(obj)
    start(sleeping_client, who, obj)


@action(when=cfg.sleepers > 0)
def sleeping_client_is_switched_in(who: SleepingClient, cpu: Cpu) -> None:
    """context_switch() (kernel/sched/core.c): a client gets a CPU back."""
    require(active(sleeping_client, who) and may_be_switched_in(who.sleeper, cpu))
    is_switched_in(who.sleeper, cpu)
