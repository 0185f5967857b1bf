/*
 * From which states can a goal still be reached? Sweeps over the stored edges until nothing changes.
 *
 * A state is good if it is excused, satisfies the goal, was never expanded (so nothing is known
 * against it), or has an edge to a good state. Sweeps go through the edges alternately backwards and
 * forwards: breadth-first numbering makes most edges lead to higher numbers, so the first backward
 * sweep settles nearly everything, and no reversed copy of the edges is needed.
 */
#include "explore.h"

static int leads_to_good(const struct nl_graph *g, const uint8_t *good, uint64_t edge, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (g->edges[edge + i] >= g->expanded || good[g->edges[edge + i]])
			return 1;
	return 0;
}

/* Marks the states with the goal and those that are excused; `good` has a byte for each state. */
void nl_seed(const struct nl_graph *g, uint8_t *good, uint32_t goal)
{
	for (uint64_t i = 0; i < g->expanded; i++) {
		int bad = 0;

		good[i] = !(g->flags[i] & NL_UNMET) || (g->flags[i] & NL_EXCUSED) ||
			  !(nl_model.unmet(g->states + i * nl_model.words, &bad) >> goal & 1);
	}
}

/* One sweep; how many states it found to be good. */
uint64_t nl_sweep(const struct nl_graph *g, uint8_t *good, int forwards)
{
	uint64_t found = 0, edge = forwards ? 0 : g->edge_count;

	for (uint64_t k = 0; k < g->expanded; k++) {
		const uint64_t i = forwards ? k : g->expanded - 1 - k;
		const uint32_t n = g->degrees[i];

		if (!forwards)
			edge -= n;
		if (!good[i] && leads_to_good(g, good, edge, n)) {
			good[i] = 1;
			found++;
		}
		if (forwards)
			edge += n;
	}
	return found;
}

/* The first state that is not good, and how many there are. */
uint64_t nl_doomed(const struct nl_graph *g, const uint8_t *good, uint64_t *first)
{
	uint64_t count = 0;

	*first = NL_NONE;
	for (uint64_t i = 0; i < g->expanded; i++) {
		if (good[i])
			continue;
		if (!count++)
			*first = i;
	}
	return count;
}
