/*
 * What trim.c and liveness.c share: sets of states, and what is known while fair cycles are looked
 * for.
 */
#ifndef NOLOCK_CYCLES_H
#define NOLOCK_CYCLES_H

#include "graph.h"
#include "index.h"

/* What comes next: going along edges, or judging a component in one pass or two. */
enum phase { WALK, COUNT, KEEP };

struct nl_cycles {
	struct nl_graph g;
	uint64_t words; /* of a bitmap */
	uint64_t *candidates; /* may lie on a cycle that misses some goal */
	uint64_t *live;       /* may lie on a fair cycle that misses this goal */
	uint64_t *spare;
	uint32_t *rank;       /* live states before each 64th */
	/* Tarjan's algorithm, per live state */
	uint64_t count;
	uint32_t *low;    /* by rank: 0, then when it was found, then its component */
	uint32_t *stack;  /* states: the path from below, finished ones from above */
	uint32_t *cursor; /* edges gone through, per state on the path */
	uint64_t depth, top, next;
	uint32_t found, component;
	/* the component that is judged */
	enum phase phase;
	uint64_t size, at;
	word *state; /* the one that is looked at */
	/* per actor */
	struct nl_out out;
	uint8_t *can, *does;
	/* the fair component with the lowest state */
	uint32_t best, best_component;
	uint64_t peak; /* bytes per live state that were needed at most */
};

/* --- sets of states ---------------------------------------------------------------------------- */

ALWAYS_INLINE uint32_t rank_of(const struct nl_cycles *x, uint64_t i)
{
	const uint64_t below = x->live[i / 64] & ((1ull << (i % 64)) - 1);

	return x->rank[i / 64] + (uint32_t)__builtin_popcountll(below);
}

/* Gives back what belongs to the round that is under way. */
void nl_cycles_end_round(struct nl_cycles *x);
uint64_t nl_cycles_size(const struct nl_cycles *x, const uint64_t *set);

#endif
