/*
 * Sets of states that may lie on a cycle, and how to make them smaller.
 *
 * Most states lie on no cycle at all. Trimming leaves out what has no successor or no predecessor
 * left. Breadth-first numbering makes most edges lead to higher numbers, so one sweep down and one
 * up settle nearly everything.
 */
#include "cycles.h"

#include <stdlib.h>
#include <string.h>

uint64_t nl_cycles_size(const struct nl_cycles *x, const uint64_t *set)
{
	uint64_t size = 0;

	for (uint64_t w = 0; w < x->words; w++)
		size += (uint64_t)__builtin_popcountll(set[w]);
	return size;
}

/* --- trimming ---------------------------------------------------------------------------------- */

/* Whether a state has a successor in a set, or itself as one. */
static int goes_on(const struct nl_cycles *x, const uint64_t *set, uint64_t i, uint64_t edge)
{
	if (x->g.nodes[i] & NL_LOOP)
		return 1;
	for (uint32_t k = 0; k < nl_degree(&x->g, i); k++)
		if (has(set, x->g.edges[edge + k]))
			return 1;
	return 0;
}

/* Leaves out what has no successor left; `back` gets the targets of edges to lower numbers. */
static void trim_down(const struct nl_cycles *x, uint64_t *set, uint64_t *back)
{
	for (uint64_t w = x->words; w-- > 0;) {
		const uint64_t left = set[w];
		uint64_t edge = x->g.edge_of[w + 1];

		for (uint64_t i = 64 * w + 64; left && i-- > 64 * w;) {
			if (i >= x->g.expanded)
				continue;
			edge -= nl_degree(&x->g, i);
			if (!(left >> (i % 64) & 1))
				continue;
			if (!goes_on(x, set, i, edge)) {
				drop(set, i);
				continue;
			}
			for (uint32_t k = 0; k < nl_degree(&x->g, i); k++)
				if (x->g.edges[edge + k] < i)
					put(back, x->g.edges[edge + k]);
		}
	}
}

/* Leaves out what has no predecessor left; `reached` begins with the targets of edges back. */
static void trim_up(const struct nl_cycles *x, uint64_t *set, uint64_t *reached)
{
	for (uint64_t w = 0; w < x->words; w++) {
		uint64_t edge = x->g.edge_of[w];

		for (uint64_t i = 64 * w, left = set[w]; left; left >>= 1, i++) {
			const uint32_t degree = nl_degree(&x->g, i);

			if ((left & 1) && !has(reached, i) && !(x->g.nodes[i] & NL_LOOP))
				drop(set, i);
			else if (left & 1)
				for (uint32_t k = 0; k < degree; k++)
					put(reached, x->g.edges[edge + k]);
			edge += degree;
		}
	}
}

/* One sweep in each direction; how many states are left. `which`: 0 candidates, 1 live states. */
uint64_t nl_cycles_trim(struct nl_cycles *x, int which)
{
	uint64_t *set = which ? x->live : x->candidates;

	memset(x->spare, 0, x->words * sizeof(*x->spare));
	trim_down(x, set, x->spare);
	trim_up(x, set, x->spare);
	return nl_cycles_size(x, set);
}

/* The candidates that miss a goal become the live states; how many they are. */
uint64_t nl_cycles_goal(struct nl_cycles *x, uint32_t goal)
{
	for (uint64_t w = 0; w < x->words; w++) {
		x->live[w] = x->candidates[w];
		for (uint64_t left = x->live[w]; left; left &= left - 1) {
			const uint64_t i = 64 * w + (uint64_t)__builtin_ctzll(left);

			if (!nl_misses(&x->g, i, goal))
				drop(x->live, i);
		}
	}
	return nl_cycles_size(x, x->live);
}

/* --- beginning and end ------------------------------------------------------------------------- */

void nl_cycles_free(struct nl_cycles *x)
{
	if (!x)
		return;
	nl_cycles_end_round(x);
	free(x->candidates);
	free(x->live);
	free(x->spare);
	free(x->rank);
	free(x->state);
	free(x->out.slots);
	free(x->out.actors);
	free(x->out.also);
	free(x->out.fired);
	free(x->out.failed);
	free(x->out.faulty);
	free(x->can);
	free(x->does);
	free(x);
}

static int allocate(struct nl_cycles *x)
{
	const uint64_t slots = nl_model.max_successors + 1;

	x->candidates = calloc(x->words + 1, sizeof(uint64_t));
	x->live = calloc(x->words + 1, sizeof(uint64_t));
	x->spare = calloc(x->words + 1, sizeof(uint64_t));
	x->rank = calloc(x->words + 1, sizeof(uint32_t));
	x->state = calloc(nl_model.words, sizeof(word));
	x->out.slots = calloc(slots * nl_model.words, sizeof(word));
	x->out.actors = calloc(slots, sizeof(uint32_t));
	x->out.also = calloc(slots, sizeof(uint64_t));
	x->out.fired = calloc(nl_model.transitions + 1, sizeof(uint64_t));
	x->out.failed = calloc(nl_model.checks + 1, sizeof(struct nl_first));
	x->out.faulty = calloc(1, sizeof(struct nl_first));
	x->can = calloc(nl_model.actors, 1);
	x->does = calloc(nl_model.actors, 1);
	return x->candidates && x->live && x->spare && x->rank && x->state &&
	       x->out.slots && x->out.actors && x->out.also && x->out.fired && x->out.failed &&
	       x->out.faulty && x->can && x->does;
}

/* The candidates: all states that miss a goal and are not excused. NULL where memory is short. */
struct nl_cycles *nl_cycles_new(const struct nl_graph *g)
{
	struct nl_cycles *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->g = *g;
	x->words = (g->expanded + 63) / 64;
	if (!allocate(x)) {
		nl_cycles_free(x);
		return NULL;
	}
	for (uint64_t i = 0; i < g->expanded; i++)
		if (nl_misses_any(g, i) && !(g->nodes[i] & NL_EXCUSED))
			put(x->candidates, i);
	return x;
}
