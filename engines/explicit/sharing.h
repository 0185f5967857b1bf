/*
 * What threads.c and phases.c share: a round of a search by several threads.
 */
#ifndef NOLOCK_SHARING_H
#define NOLOCK_SHARING_H

#include "search.h"

struct piece {
	struct nl_batch b;
	uint32_t *to;    /* per slot: the number of that state, NL_NONE as long as it has none */
	uint32_t *fresh; /* the slots that are the first with a state that is new */
	uint32_t *found; /* per state: how many of them there are up to the end of its successors */
	uint32_t fresh_count, edges;
	uint64_t first_number, first_edge;
	uint32_t by; /* the thread that has looked it up, and therefore has it in its cache */
};

struct nl_sharing {
	struct nl_search *x;
	struct piece *pieces;
	uint32_t most_pieces, count, rounds;
	uint32_t taken; /* pieces that somebody has */
	struct nl_growth growth;
	uint64_t end;
	uint64_t found_last; /* states, by the round before */
	int failed;
	/* threads */
	uint32_t threads, waiting, meetings;
};

/* The slots of a round are numbered through, those of a piece from here. */
ALWAYS_INLINE uint64_t nl_first_slot(const struct nl_sharing *p, uint32_t k)
{
	return (uint64_t)k * p->pieces->b.most_slots;
}

/* phases.c, for the piece with this number */
void nl_look_up(struct nl_sharing *p, struct nl_tally *t, uint32_t k);
void nl_settle(struct nl_sharing *p, uint32_t k);
void nl_number(struct nl_sharing *p);
void nl_enter(struct nl_sharing *p, uint32_t k);
void nl_write_edges(struct nl_sharing *p, uint32_t k);

#endif
