/*
 * From which states can a goal still be reached? Sweeps over the stored edges until nothing changes.
 *
 * A state is good if it is excused, satisfies the goal, was never expanded (so nothing is known
 * against it), or has an edge to a good state. Sweeps go through the edges alternately backwards and
 * forwards: breadth-first numbering makes most edges lead to higher numbers, so the first backward
 * sweep settles nearly everything, and no reversed copy of the edges is needed.
 */
#include "bits.h"
#include "store.h"

static int leads_to_good(const struct nl_graph *g, const uint64_t *good, uint64_t edge, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (g->edges[edge + i] >= g->expanded || has(good, g->edges[edge + i]))
			return 1;
	return 0;
}

static int is_good(const struct nl_graph *g, uint64_t i, uint32_t goal, word *s)
{
	int bad = 0;

	if (!(g->nodes[i] & NL_UNMET) || (g->nodes[i] & NL_EXCUSED))
		return 1;
	nl_store_get(g->states, i, s, nl_model.words);
	return !(nl_model.unmet(s, &bad) >> goal & 1);
}

/* Marks the states with the goal and those that are excused; `good` is empty. */
void nl_seed(const struct nl_graph *g, uint64_t *good, uint32_t goal)
{
	word s[nl_model.words];

	for (uint64_t i = 0; i < g->expanded; i++)
		if (is_good(g, i, goal, s))
			put(good, i);
}

/* One sweep; how many states it found to be good. */
uint64_t nl_sweep(const struct nl_graph *g, uint64_t *good, int forwards)
{
	uint64_t found = 0, edge = forwards ? 0 : g->edge_count;

	for (uint64_t k = 0; k < g->expanded; k++) {
		const uint64_t i = forwards ? k : g->expanded - 1 - k;
		const uint32_t n = nl_degree(g, i);

		if (!forwards)
			edge -= n;
		if (!has(good, i) && leads_to_good(g, good, edge, n)) {
			put(good, i);
			found++;
		}
		if (forwards)
			edge += n;
	}
	return found;
}

/* The first state that is not good, and how many there are. */
uint64_t nl_doomed(const struct nl_graph *g, const uint64_t *good, uint64_t *first)
{
	uint64_t count = 0;

	*first = NL_NONE;
	for (uint64_t i = 0; i < g->expanded; i++) {
		if (has(good, i))
			continue;
		if (!count++)
			*first = i;
	}
	return count;
}
