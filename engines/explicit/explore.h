/*
 * What the generated steps of a model and the explorer know of each other.
 *
 * A state is `nl_model.words` words. The generated nl_successors() copies the state it is given
 * into the next free slot with nl_begin(), runs a body there, and keeps the slot with nl_end().
 */
#ifndef NOLOCK_EXPLORE_H
#define NOLOCK_EXPLORE_H

#include <stdint.h>

typedef uint64_t word;
/* Every expression of a model is computed in this type, so nothing wraps on the way. */
typedef int64_t val;

#define NL_NONE UINT32_MAX

/* How a body ends: NL_FINE, a failed check (1 + its number), or one of the model's own errors. */
enum { NL_FINE = 0, NL_BAD_INDEX = -1, NL_BAD_VALUE = -2 };

/* The first state and transition from which something went wrong. */
struct nl_first {
	uint32_t state;
	uint32_t transition;
};

/* Where nl_successors() writes. The explorer guarantees max_successors free slots per state. */
struct nl_out {
	word *slots;
	uint32_t *actors;            /* per slot: who made it, 0 for the environment */
	uint64_t *also;              /* per slot, if asked for: instances with steps merged into it */
	int apart;                   /* no steps are merged */
	uint32_t count;              /* slots taken */
	uint32_t state;              /* index of the state being expanded */
	uint32_t enabled;            /* firings of this state */
	uint32_t enabled_system;     /* those that are not the environment's */
	uint32_t excused;            /* a system transition of this state violates something */
	uint32_t broken;             /* a guard of this state cannot be evaluated */
	uint64_t *fired;             /* per transition */
	struct nl_first *failed;     /* per check */
	struct nl_first *faulty;     /* model errors */
};

struct nl_model {
	uint32_t words;
	uint32_t transitions;
	uint32_t checks;
	uint32_t invariants;
	uint32_t goals;
	uint32_t actors; /* their numbers are below this */
	const uint32_t *instances; /* the actor of each instance of a process */
	uint32_t max_successors;
	void (*successors)(const word *s, struct nl_out *out);
	uint64_t (*broken)(const word *s, int *bad); /* bit per invariant that does not hold */
	uint64_t (*unmet)(const word *s, int *bad);  /* bit per goal that does not hold */
	int (*idle)(const word *s);                  /* no process is in the middle of anything */
	void (*canonical)(word *s);
};

/* Defined by the generated file. */
extern const struct nl_model nl_model;

/* An index of a dimension of n; outside of it, note the mistake and use 0. */
static inline val nl_at(val i, val n, int *bad)
{
	if (i >= 0 && i < n)
		return i;
	*bad = 1;
	return 0;
}

/* Whether a small value is in a set given as a bitmap of `words` words. */
static inline int nl_in(val value, const uint64_t *set, val words)
{
	return value >= 0 && value < 64 * words && (set[value / 64] >> (value % 64) & 1);
}

/* States do not come in order where several threads take pieces of a level. */
static inline void nl_note(struct nl_first *first, uint32_t state, uint32_t transition)
{
	if (state < first->state)
		*first = (struct nl_first){ state, transition };
}

/* A guard or may_run computed an index that does not exist: the state is not expanded. */
static inline void nl_fault(struct nl_out *out, uint32_t transition)
{
	nl_note(out->faulty, out->state, transition);
	out->broken = 1;
}

/* A firing whose body did not end well: it has no successor to explore. */
static inline void nl_failed(struct nl_out *out, uint32_t transition, int system, int code)
{
	nl_note(code > 0 ? &out->failed[code - 1] : out->faulty, out->state, transition);
	out->excused |= (uint32_t)system;
}

#endif
