-- tiny/run, written by
--     nolock export tiny --run run
--
-- Knobs that are not 0: none.
-- One atomic step here is one transition there; nothing is reduced. The reachable states are as
-- many as `nolock verify` counts with --no-reductions, as long as nothing is violated.
-- Checked here: lock_discipline, list_integrity, model_error.
-- Not exported: what must come true in the end, in no_lost_objects.
--
--     rumur --deadlock-detection off --symmetry-reduction off --value-type int32_t -o FILE.c FILE
--     gcc -std=c11 -O3 -march=native -mcx16 -o verifier FILE.c -lpthread && ./verifier
-- Breadth first; an error ends it with the shortest trace.

var
	task_pc: array [0..1] of 0..4;
	task_level: array [0..1] of -1..1;
	Lock_owner: 0..2;
	Rcu_ended: 0..2;
	Rcu_snap: array [0..1] of array [0..1] of 0..2;

startstate "initial"
begin
	for i0: 0..1 do
		task_pc[i0] := 1;
	end;
	for i0: 0..1 do
		task_level[i0] := 0;
	end;
	Lock_owner := 0;
	Rcu_ended := 0;
	for i0: 0..1 do
		for i1: 0..1 do
			Rcu_snap[i0][i1] := 0;
		end;
	end;
end;

function task_runs(self: 0..1): boolean;
begin
	return (Rcu_ended < 2);
end;

-- 0 task@1: toy.py:1: toy
procedure step_0(self: 0..1);
var
	found: 0..2;
begin
	found := Lock_owner;
	if (found = 0) then
		Lock_owner := (self + 1);
		task_pc[self] := 2;
	else
		task_pc[self] := 1;
	end;
end;

-- 1 task@2: toy.py:1: toy
procedure step_1(self: 0..1; v: -1..1);
begin
	assert (Lock_owner <= 2) "lock_discipline: `owner` is another";
	task_level[self] := v;
	task_pc[self] := 3;
end;

-- 2 task@3: toy.py:1: toy
function can_2(self: 0..1): boolean;
begin
	return ((task_level[self] = (-1)) | (task_level[self] = 1));
end;
procedure step_2(self: 0..1);
begin
	Rcu_snap[self][((task_level[self] > 0) ? 1 : 0)] := ((task_level[self] > 0) ? 2 : (-((task_level[self] = (-1)) ? (-1) : 0)));
	task_pc[self] := 4;
end;

-- 3 task@3: toy.py:1: toy
function can_3(self: 0..1): boolean;
begin
	return (task_level[self] = 0);
end;
procedure step_3(self: 0..1);
begin
	task_pc[self] := 1;
end;

-- 4 task@4: toy.py:1: toy
procedure step_4(self: 0..1);
begin
	Lock_owner := 0;
	task_level[self] := 0;
	task_pc[self] := 0;
end;

ruleset self: 0..1 do
rule "task, choice 1"
	task_pc[self] != 0 & task_runs(self) & (((1 <= task_pc[self] & task_pc[self] <= 2) | (task_pc[self] = 4)) | (task_pc[self] = 3 & can_2(self)))
==>
begin
	switch task_pc[self]
	case 1: step_0(self);
	case 2: step_1(self, (-1));
	case 3: step_2(self);
	case 4: step_4(self);
	end;
end;
end;

ruleset self: 0..1 do
rule "task, choice 2"
	task_pc[self] != 0 & task_runs(self) & ((task_pc[self] = 2) | (task_pc[self] = 3 & can_3(self)))
==>
begin
	switch task_pc[self]
	case 2: step_1(self, 0);
	case 3: step_3(self);
	end;
end;
end;

ruleset self: 0..1 do
rule "task, choice 3"
	task_pc[self] != 0 & task_runs(self) & (task_pc[self] = 2)
==>
begin
	switch task_pc[self]
	case 2: step_1(self, 1);
	end;
end;
end;

rule "5 grace_period_ends: toy.py:1: toy"
	(Rcu_ended < 2)
==>
begin
	for i0: 0..1 do
		for i1: 0..1 do
			Rcu_snap[i0][i1] := (Rcu_snap[i0][i1] > 0 ? Rcu_snap[i0][i1] - 1 : Rcu_snap[i0][i1]);
		end;
	end;
	Rcu_ended := (Rcu_ended + 1);
end;

invariant "list_integrity: both slots are full"
	(!((Rcu_snap[0][0] = 2) & (Rcu_snap[0][1] = 2)));
