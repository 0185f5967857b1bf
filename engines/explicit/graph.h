/*
 * What is stored of the states for judging goals: which goals they miss, and the edges of the
 * system's steps.
 */
#ifndef NOLOCK_GRAPH_H
#define NOLOCK_GRAPH_H

#include "bits.h"
#include "explore.h"

/*
 * A node: flags, and above them how many edges it has. EXCUSED: it violates something, so that no
 * more is asked of it. LOOP: a system transition leads from it to itself.
 */
enum { NL_EXCUSED = 1, NL_LOOP = 2, NL_FLAG_BITS = 2 };

/* A node has room for so many edges; native.py refuses a model that could have more. */
enum { NL_MOST_EDGES = (1 << (16 - NL_FLAG_BITS)) - 1 };

struct nl_index;
struct nl_store;

/* The states that have been expanded and the system's edges between them. */
struct nl_graph {
	uint64_t expanded; /* states with known edges: numbers 0..expanded-1 */
	const uint16_t *nodes;
	const uint8_t *missed; /* a bit per goal that does not hold; nl_missed_bytes() per state */
	const uint32_t *edges; /* grouped by state, in order; none to the state itself */
	const uint64_t *edge_of; /* the first edge of each 64th state, and the end */
	const struct nl_store *states;
	const struct nl_index *index;
};

/* --- edges ------------------------------------------------------------------------------------- */

/* Notes a loop or makes room for an edge; returns whether there is an edge to write. */
ALWAYS_INLINE int nl_add_edge(uint16_t *node, uint64_t from, uint64_t to)
{
	if (to == from) {
		*node |= NL_LOOP;
		return 0;
	}
	*node += 1 << NL_FLAG_BITS;
	return 1;
}

ALWAYS_INLINE uint32_t nl_degree(const struct nl_graph *g, uint64_t i)
{
	return g->nodes[i] >> NL_FLAG_BITS;
}

/* The place of a state's first edge. */
ALWAYS_INLINE uint64_t nl_first_edge(const struct nl_graph *g, uint64_t i)
{
	uint64_t edge = g->edge_of[i / 64];

	for (uint64_t k = i & ~63ull; k < i; k++)
		edge += nl_degree(g, k);
	return edge;
}

/* The places of the first edges of 64 states, and the end. States beyond the last have none. */
ALWAYS_INLINE void nl_edges_of_word(const struct nl_graph *g, uint64_t w, uint64_t *to)
{
	to[0] = g->edge_of[w];
	for (unsigned bit = 0; bit < 64; bit++)
		to[bit + 1] = to[bit] + nl_degree(g, 64 * w + bit);
}

/* --- goals ------------------------------------------------------------------------------------- */

ALWAYS_INLINE uint32_t nl_missed_bytes(void)
{
	return (nl_model.goals + 7) / 8;
}

ALWAYS_INLINE void nl_put_missed(uint8_t *missed, uint64_t i, uint64_t goals)
{
	for (uint32_t k = 0; k < nl_missed_bytes(); k++)
		missed[i * nl_missed_bytes() + k] = (uint8_t)(goals >> 8 * k);
}

ALWAYS_INLINE int nl_misses(const struct nl_graph *g, uint64_t i, uint32_t goal)
{
	return g->missed[i * nl_missed_bytes() + goal / 8] >> (goal % 8) & 1;
}

ALWAYS_INLINE int nl_misses_any(const struct nl_graph *g, uint64_t i)
{
	int any = 0;

	for (uint32_t k = 0; k < nl_missed_bytes(); k++)
		any |= g->missed[i * nl_missed_bytes() + k];
	return any;
}

#endif
