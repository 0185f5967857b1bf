/*
 * A search and its parts, as explore.c, expand.c, parents.c and threads.c share them.
 */
#ifndef NOLOCK_SEARCH_H
#define NOLOCK_SEARCH_H

#include "graph.h"
#include "index.h"

/* So many states are expanded at once, and about as many successors entered. */
enum { NL_BATCH = 384 };

/* What nl_slice() returns. engines/explicit/native.py knows these by number. */
enum { RUNNING, COMPLETE, OUT_OF_MEMORY };

/* What one thread has seen. Of what is first, the lowest state number counts. */
struct nl_tally {
	struct nl_out out;
	word *state; /* the one that is being expanded */
	uint64_t transitions, rests, stuck;
	uint32_t first_stuck;
	uint32_t *first_broken;  /* per invariant */
	uint64_t *failing;       /* per goal: states of rest without it */
	uint32_t *first_failing; /* and the first of them */
	struct nl_first faulty;
};

/* Some states that follow each other, and their successors. */
struct nl_batch {
	uint64_t first;
	uint32_t states;
	uint32_t count, most_slots;
	word *slots;
	uint32_t *actors;
	uint64_t *hashes, *places; /* per slot: in the index, the first entry to look at */
	uint32_t *ends; /* per state: the slot after its last successor */
} __attribute__((aligned(NL_OWN_LINES)));

struct nl_search {
	struct nl_store states;
	uint64_t count, next, level_end, capacity;
	uint64_t expected;    /* states, or 0 */
	uint64_t most_levels; /* whose states are expanded */
	int apart;            /* every step is explored by itself */
	struct nl_index index;
	uint64_t *parents; /* see parents.c */
	/* the graph of system transitions, only where goals are judged on it */
	int graph;
	uint16_t *nodes;
	uint8_t *missed;
	uint32_t *edges;
	uint64_t *edge_of; /* once the search is over */
	uint64_t edge_count, edge_capacity;
	/* at work */
	uint32_t threads;
	uint32_t least_shared;      /* states of a level for which threads are started */
	struct nl_sharing *sharing; /* only where there are several */
	struct nl_batch batch;
	struct nl_tally *tally;
	/* states that somebody asked for by number, in rising order */
	const uint32_t *wanted;
	word *kept;
	uint64_t wanted_count, kept_count;
	/* results */
	uint64_t *levels;
	uint64_t level_count, level_capacity;
	/* limits */
	uint64_t memory_limit, peak;
	uint64_t given_back; /* bytes of states that are no longer needed */
};

/* explore.c: limits and steps that one thread takes */
int nl_begin_level(struct nl_search *x);
int nl_has_room(const struct nl_search *x, uint64_t more);
uint64_t nl_index_wanted(const struct nl_search *x, uint64_t states);
int nl_step(struct nl_search *x);
void nl_advance(struct nl_search *x, uint64_t next);
uint64_t nl_now(void);

/* expand.c */
struct nl_tally *nl_tally_new(void);
void nl_tally_free(struct nl_tally *t);
void nl_tally_add(struct nl_tally *to, const struct nl_tally *from);
int nl_batch_open(struct nl_batch *b);
void nl_batch_close(struct nl_batch *b);
void nl_expand(const struct nl_search *x, struct nl_tally *t, struct nl_batch *b, uint64_t end);

/* threads.c: sharing goes on until a level has too little to share, or the time is up */
int nl_can_share(void);
struct nl_sharing *nl_sharing_open(struct nl_search *x);
void nl_sharing_close(struct nl_sharing *p);
int nl_worth_sharing(const struct nl_search *x);
int nl_share(struct nl_search *x, uint64_t end);

/* Functions whose loops are to have constant bounds: one copy for each common number of words. */
#define BY_WORDS(call, ...)                                                                        \
	switch (nl_model.words) {                                                                  \
	case 1: call(__VA_ARGS__, 1); break;                                                       \
	case 2: call(__VA_ARGS__, 2); break;                                                       \
	case 3: call(__VA_ARGS__, 3); break;                                                       \
	case 4: call(__VA_ARGS__, 4); break;                                                       \
	case 5: call(__VA_ARGS__, 5); break;                                                       \
	case 6: call(__VA_ARGS__, 6); break;                                                       \
	case 7: call(__VA_ARGS__, 7); break;                                                       \
	case 8: call(__VA_ARGS__, 8); break;                                                       \
	default: call(__VA_ARGS__, nl_model.words);                                                \
	}

/* --- parents ----------------------------------------------------------------------------------- */

/* The expanded states and the states found so far decide the place of a state's end mark. */
ALWAYS_INLINE uint64_t nl_parents_end(uint64_t state, uint64_t count)
{
	return state + count - 1;
}

uint64_t nl_parents_bytes(uint64_t states);

#endif
