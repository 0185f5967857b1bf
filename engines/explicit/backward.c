/*
 * From which states can a goal still be reached? Sweeps over the stored edges until nothing changes.
 *
 * A state is good if it is excused, satisfies the goal, was never expanded (so nothing is known
 * against it), or has an edge to a good state. Sweeps go through the edges mostly backwards:
 * breadth-first numbering makes most edges lead to higher numbers, so a few settle nearly
 * everything, and no reversed copy of the edges is needed. Of 64 good states a sweep sees one word.
 */
#include "graph.h"

static uint64_t words(const struct nl_graph *g)
{
	return (g->expanded + 63) / 64;
}

/* The states of a word that are not good. */
static uint64_t others(const struct nl_graph *g, const uint64_t *good, uint64_t w)
{
	const uint64_t beyond = 64 * w + 64 > g->expanded ? ~0ull << (g->expanded % 64) : 0;

	return ~(good[w] | beyond);
}

/* Marks the states with the goal and those that are excused; `good` is empty. */
void nl_seed(const struct nl_graph *g, uint64_t *good, uint32_t goal)
{
	for (uint64_t i = 0; i < g->expanded; i++)
		if (!nl_misses(g, i, goal) || (g->nodes[i] & NL_EXCUSED))
			put(good, i);
}

static int leads_to_good(const struct nl_graph *g, const uint64_t *good, uint64_t edge, uint64_t end)
{
	for (; edge < end; edge++)
		if (g->edges[edge] >= g->expanded || has(good, g->edges[edge]))
			return 1;
	return 0;
}

static uint64_t sweep_word(const struct nl_graph *g, uint64_t *good, uint64_t w, int forwards)
{
	uint64_t left = others(g, good, w), found = 0, edges[65];

	if (left)
		nl_edges_of_word(g, w, edges);
	while (left) {
		const int bit = forwards ? __builtin_ctzll(left) : 63 - __builtin_clzll(left);

		left &= ~(1ull << bit);
		if (leads_to_good(g, good, edges[bit], edges[bit + 1])) {
			good[w] |= 1ull << bit;
			found++;
		}
	}
	return found;
}

/* One sweep; how many states it found to be good. */
uint64_t nl_sweep(const struct nl_graph *g, uint64_t *good, int forwards)
{
	uint64_t found = 0;

	for (uint64_t k = 0; k < words(g); k++)
		found += sweep_word(g, good, forwards ? k : words(g) - 1 - k, forwards);
	return found;
}

/* The first state that is not good, and how many there are. */
uint64_t nl_doomed(const struct nl_graph *g, const uint64_t *good, uint64_t *first)
{
	uint64_t count = 0;

	*first = NL_NONE;
	for (uint64_t w = 0; w < words(g); w++) {
		const uint64_t left = others(g, good, w);

		if (left && !count)
			*first = 64 * w + (unsigned)__builtin_ctzll(left);
		count += (unsigned)__builtin_popcountll(left);
	}
	return count;
}
