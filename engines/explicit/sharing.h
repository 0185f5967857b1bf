/*
 * What threads.c and phases.c share: a round of a search by several threads.
 */
#ifndef NOLOCK_SHARING_H
#define NOLOCK_SHARING_H

#include "search.h"

/* What a claim says: the hash of the state, its place in the index, and its words. */
enum { NL_HASH, NL_PLACE, NL_STATE };

/*
 * Some states of a level, and what was new to whoever looked for their successors: their claims. A
 * claim is lost where one comes before it in the order. On cache lines of its own: neighbours are
 * worked on by different threads.
 */
struct piece {
	word *what;     /* per claim */
	uint8_t *lost;  /* per claim; for whoever takes its place to write */
	uint32_t *ends; /* per state: the claims up to its last successor; then those that stood */
	uint32_t *fresh;  /* the claims that stood */
	uint32_t *before; /* per claim, and for their end: how many before it stood */
	uint64_t *to; /* per edge: the number of its end, or NL_UNNUMBERED and a place in the index */
	uint64_t first, first_number, first_edge;
	uint32_t count; /* states */
	uint32_t claims, fresh_count, edges;
	uint32_t by; /* the thread that has looked it up, and therefore has it in its cache */
} __attribute__((aligned(NL_OWN_LINES)));

#define NL_UNNUMBERED (1ull << 63)

/* How many of a thread's pieces somebody has. */
struct taken {
	uint32_t pieces;
} __attribute__((aligned(NL_OWN_LINES)));

struct nl_sharing {
	struct nl_search *x;
	struct piece *pieces;
	uint32_t most_pieces, count, rounds;
	unsigned claim_bits; /* for the claims of a piece */
	struct taken *taken;    /* per thread */
	struct nl_batch *batches; /* per thread */
	struct nl_growth growth;
	uint64_t end;
	uint64_t found_last; /* states, by the round before */
	int failed;
	/* threads */
	uint32_t threads, waiting, meetings;
};

/* The claims of a round are numbered through, those of a piece from here. */
ALWAYS_INLINE uint64_t nl_first_claim(const struct nl_sharing *p, uint32_t k)
{
	return (uint64_t)k << p->claim_bits;
}

ALWAYS_INLINE word *nl_claim_at(const struct piece *piece, uint64_t claim, unsigned words)
{
	return piece->what + claim * (NL_STATE + words);
}

/* phases.c, for the piece with this number */
void nl_look_up(struct nl_sharing *p, struct nl_tally *t, struct nl_batch *b, uint32_t k);
void nl_settle(struct nl_sharing *p, uint32_t k);
void nl_number(struct nl_sharing *p);
void nl_enter(struct nl_sharing *p, uint32_t k);
void nl_write_edges(struct nl_sharing *p, uint32_t k);

#endif
