---- MODULE tiny ----
\* tiny/run, written by
\*     nolock export tiny --run run
\*
\* Knobs that are not 0: none.
\* One atomic step here is one transition there; nothing is reduced. The reachable states are as
\* many as `nolock verify` counts with --no-reductions, as long as nothing is violated.
\* Checked here: lock_discipline, list_integrity, model_error.
\* Not exported: what must come true in the end, in no_lost_objects.
\*
\*     java -cp tla2tools.jar tlc2.TLC -deadlock -workers 1 -config tiny.cfg tiny.tla
\* Breadth first; with one worker an error ends it with the shortest trace. Without -deadlock TLC
\* takes a state of rest for an error.
EXTENDS Integers

VARIABLES
    task_pc,
    task_level,
    Lock_owner,
    Rcu_ended,
    Rcu_snap,
    violated

task_vars ==
    <<task_pc, task_level>>

Rcu_vars ==
    <<Rcu_ended, Rcu_snap>>

cells ==
    <<task_vars, Rcu_vars, Lock_owner>>

vars == <<cells, violated>>

Init ==
    /\ task_pc = [i0 \in 0..1 |-> 1]
    /\ task_level = [i0 \in 0..1 |-> 0]
    /\ Lock_owner = 0
    /\ Rcu_ended = 0
    /\ Rcu_snap = [i0 \in 0..1 |-> [i1 \in 0..1 |-> 0]]
    /\ violated = ""

TypeOK ==
    /\ task_pc \in [0..1 -> 0..4]
    /\ task_level \in [0..1 -> (-1)..1]
    /\ Lock_owner \in 0..2
    /\ Rcu_ended \in 0..2
    /\ Rcu_snap \in [0..1 -> [0..1 -> 0..2]]

task_runs(self) == (Rcu_ended < 2)

\* 0 task@1: toy.py:1: toy
task_1(self) ==
    /\ violated = ""
    /\ task_pc[self] = 1
    /\ task_runs(self) = TRUE
    /\ LET found == Lock_owner
           cond == (found = 0)
           Lock_owner_2 == (self + 1)
           task_pc_2 == [task_pc EXCEPT ![self] = 2]
           task_pc_3 == [task_pc EXCEPT ![self] = 1]
       IN  /\ Lock_owner' = IF cond THEN Lock_owner_2 ELSE Lock_owner
           /\ task_pc' = IF cond THEN task_pc_2 ELSE task_pc_3
           /\ UNCHANGED
              <<Rcu_vars, task_level, violated>>

\* 1 task@2: toy.py:1: toy
task_2(self, v) ==
    /\ violated = ""
    /\ task_pc[self] = 2
    /\ task_runs(self) = TRUE
    /\ LET broken == IF (~(Lock_owner <= 2)) THEN "lock_discipline: 'owner' is another"
                     ELSE ""
       IN  IF broken # ""
           THEN /\ violated' = broken
                /\ UNCHANGED cells
           ELSE /\ task_level' = [task_level EXCEPT ![self] = v]
                /\ task_pc' = [task_pc EXCEPT ![self] = 3]
                /\ UNCHANGED
                   <<Rcu_vars, Lock_owner, violated>>

\* 2 task@3: toy.py:1: toy
task_3(self) ==
    /\ violated = ""
    /\ task_pc[self] = 3
    /\ task_runs(self) = TRUE
    /\ ((task_level[self] = (-1)) \/ (task_level[self] = 1)) = TRUE
    /\ Rcu_snap' = [Rcu_snap EXCEPT ![self][(IF (task_level[self] > 0) THEN 1 ELSE 0)] = (IF (task_level[self] > 0) THEN 2 ELSE (-(IF (task_level[self] = (-1)) THEN (-1) ELSE 0)))]
    /\ task_pc' = [task_pc EXCEPT ![self] = 4]
    /\ UNCHANGED
       <<task_level, Lock_owner, Rcu_ended, violated>>

\* 3 task@3: toy.py:1: toy
task_3_2(self) ==
    /\ violated = ""
    /\ task_pc[self] = 3
    /\ task_runs(self) = TRUE
    /\ (task_level[self] = 0) = TRUE
    /\ task_pc' = [task_pc EXCEPT ![self] = 1]
    /\ UNCHANGED
       <<Rcu_vars, task_level, Lock_owner, violated>>

\* 4 task@4: toy.py:1: toy
task_4(self) ==
    /\ violated = ""
    /\ task_pc[self] = 4
    /\ task_runs(self) = TRUE
    /\ Lock_owner' = 0
    /\ task_level' = [task_level EXCEPT ![self] = 0]
    /\ task_pc' = [task_pc EXCEPT ![self] = 0]
    /\ UNCHANGED
       <<Rcu_vars, violated>>

\* 5 grace_period_ends: toy.py:1: toy
grace_period_ends ==
    /\ violated = ""
    /\ (Rcu_ended < 2) = TRUE
    /\ LET broken == IF (~((Rcu_ended + 1) \in 0..2)) THEN "model_error: an index or a value is outside its range"
                     ELSE ""
       IN  IF broken # ""
           THEN /\ violated' = broken
                /\ UNCHANGED cells
           ELSE /\ Rcu_snap' = [i0 \in 0..1 |-> [i1 \in 0..1 |-> IF Rcu_snap[i0][i1] > 0 THEN Rcu_snap[i0][i1] - 1 ELSE Rcu_snap[i0][i1]]]
                /\ Rcu_ended' = (Rcu_ended + 1)
                /\ UNCHANGED
                   <<task_vars, Lock_owner, violated>>

Next ==
    \/ \E self \in 0..1 : task_1(self)
    \/ \E self \in 0..1, v \in (-1)..1 : task_2(self, v)
    \/ \E self \in 0..1 : task_3(self)
    \/ \E self \in 0..1 : task_3_2(self)
    \/ \E self \in 0..1 : task_4(self)
    \/ grace_period_ends

Spec == Init /\ [][Next]_vars

NothingViolated == violated = ""

\* both slots are full
list_integrity == (~((Rcu_snap[0][0] = 2) /\ (Rcu_snap[0][1] = 2)))

====
