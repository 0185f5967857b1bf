/*
 * tiny/run, written by
 *     nolock export tiny --run run
 *
 * Knobs that are not 0: none.
 * One atomic step here is one transition there; nothing is reduced. The reachable states are as
 * many as `nolock verify` counts with --no-reductions, as long as nothing is violated.
 * Checked here: lock_discipline, list_integrity, model_error.
 * Not exported: what must come true in the end, in no_lost_objects.
 *
 * Depth first:
 *     spin -o2 -a FILE && gcc -O3 -DSAFETY -DNOFAIR -DNOREDUCE -DMEMLIM=8000 -o pan pan.c
 *     ./pan -m10000000 -w26
 * Breadth first, with the shortest trail (also of an error):
 *     spin -o2 -a FILE && gcc -O3 -DSAFETY -DNOFAIR -DNOREDUCE -DBFS -DMEMLIM=8000 -o pan pan.c
 *     ./pan -w26
 * The trail:
 *     spin -t -p -g FILE
 * Without -o2 SPIN leaves out variables that nothing reads, and states with them.
 * A search that goes on after an error (-c0) goes on after the failed assertion too: its count of
 * states means nothing.
 */
#define CHECK(property, condition) if :: (condition) :: else -> assert(property) fi
#define PLACE(i, n, none) (((i) >= 0 && (i) < (n)) -> (i) : (none))

/* Never set: a failed assertion names the property. */
bool lock_discipline;
bool list_integrity;
bool model_error;

/* 0 between two steps. */
byte t0;

byte task_pc[2] = 1; /* Range[0, 4] [2 task] */
short task_level[2]; /* Range[-1, 1] [2 task] */
byte Lock_owner; /* Range[0, 2]  */
byte Rcu_ended; /* Range[0, 2]  */
byte Rcu_snap[4]; /* cookie [2 task][2 slot] */

#define task_runs(self) (Rcu_ended < 2)

/* 0 task@1: toy.py:1: toy */
inline step_0(self) {
	t0 = Lock_owner;
	if
	:: (t0 == 0) ->
		Lock_owner = (self + 1);
		task_pc[self] = 2;
	:: else ->
		task_pc[self] = 1;
	fi;
	t0 = 0;
}

/* 1 task@2: toy.py:1: toy */
inline step_1(self, v) {
	CHECK(lock_discipline, (Lock_owner <= 2));
	task_level[self] = v;
	task_pc[self] = 3;
}

/* 2 task@3: toy.py:1: toy */
#define can_2(self) ((task_level[self] == (-1)) || (task_level[self] == 1))
inline step_2(self) {
	Rcu_snap[2 * self + ((task_level[self] > 0) -> 1 : 0)] = ((task_level[self] > 0) -> 2 : (-((task_level[self] == (-1)) -> (-1) : 0)));
	task_pc[self] = 4;
}

/* 3 task@3: toy.py:1: toy */
#define can_3(self) (task_level[self] == 0)
inline step_3(self) {
	task_pc[self] = 1;
}

/* 4 task@4: toy.py:1: toy */
inline step_4(self) {
	Lock_owner = 0;
	task_level[self] = 0;
	task_pc[self] = 0;
}

/* 5 grace_period_ends: toy.py:1: toy */
#define can_5() (Rcu_ended < 2)
inline step_5() {
	Rcu_snap[0] = (Rcu_snap[0] > 0 -> Rcu_snap[0] - 1 : Rcu_snap[0]);
	Rcu_snap[1] = (Rcu_snap[1] > 0 -> Rcu_snap[1] - 1 : Rcu_snap[1]);
	Rcu_snap[2] = (Rcu_snap[2] > 0 -> Rcu_snap[2] - 1 : Rcu_snap[2]);
	Rcu_snap[3] = (Rcu_snap[3] > 0 -> Rcu_snap[3] - 1 : Rcu_snap[3]);
	CHECK(model_error, (0 <= (Rcu_ended + 1) && (Rcu_ended + 1) <= 2));
	Rcu_ended = (Rcu_ended + 1);
}

active proctype machine() {
end:
	do
	/* list_integrity: both slots are full */
	:: d_step { (!(!((Rcu_snap[0] == 2) && (Rcu_snap[1] == 2)))) -> assert(list_integrity) }
	:: d_step { task_pc[0] != 0 && task_runs(0) && (((1 <= task_pc[0] && task_pc[0] <= 2) || (task_pc[0] == 4)) || (task_pc[0] == 3 && can_2(0))) ->
		if
		:: task_pc[0] == 1 -> step_0(0)
		:: task_pc[0] == 2 -> step_1(0, (-1))
		:: task_pc[0] == 3 -> step_2(0)
		:: task_pc[0] == 4 -> step_4(0)
		fi }
	:: d_step { task_pc[0] != 0 && task_runs(0) && ((task_pc[0] == 2) || (task_pc[0] == 3 && can_3(0))) ->
		if
		:: task_pc[0] == 2 -> step_1(0, 0)
		:: task_pc[0] == 3 -> step_3(0)
		fi }
	:: d_step { task_pc[0] != 0 && task_runs(0) && (task_pc[0] == 2) ->
		if
		:: task_pc[0] == 2 -> step_1(0, 1)
		fi }
	:: d_step { task_pc[1] != 0 && task_runs(1) && (((1 <= task_pc[1] && task_pc[1] <= 2) || (task_pc[1] == 4)) || (task_pc[1] == 3 && can_2(1))) ->
		if
		:: task_pc[1] == 1 -> step_0(1)
		:: task_pc[1] == 2 -> step_1(1, (-1))
		:: task_pc[1] == 3 -> step_2(1)
		:: task_pc[1] == 4 -> step_4(1)
		fi }
	:: d_step { task_pc[1] != 0 && task_runs(1) && ((task_pc[1] == 2) || (task_pc[1] == 3 && can_3(1))) ->
		if
		:: task_pc[1] == 2 -> step_1(1, 0)
		:: task_pc[1] == 3 -> step_3(1)
		fi }
	:: d_step { task_pc[1] != 0 && task_runs(1) && (task_pc[1] == 2) ->
		if
		:: task_pc[1] == 2 -> step_1(1, 1)
		fi }
	:: d_step { can_5() -> step_5() }
	od
}
