/*
 * The explorer: level-synchronous breadth-first search over packed states, exact.
 *
 * States live in one append-only array. A state's index is its place in the search order, so the
 * array is frontier and graph node at once, and a state's first parent is one 32-bit number. The
 * arrays are reserved once, far larger than needed, and get real memory only where they are
 * touched; so they never move.
 *
 * A batch of states is expanded into a buffer; then all hashes are computed and their table slots
 * prefetched, then the states they most likely equal are prefetched, and only then are the
 * successors inserted, in order. Waiting for memory thus overlaps, and the order of states stays
 * that of the reference interpreter, whatever the batch size.
 *
 * Functions that depend on the number of words take it as an argument and are inlined into one copy
 * per common number (see BY_WORDS), so that their loops have constant bounds.
 */
#define _GNU_SOURCE
#include "explore.h"
#include "index.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 384, FIRST_TABLE_BITS = 12 };

/* What nl_slice() returns. engines/explicit/native.py knows these by number. */
enum { RUNNING, COMPLETE, OUT_OF_MEMORY };

/* What judging the goals takes afterwards, per state: backward.c a byte, liveness.c less. */
enum { BYTES_FOR_GOALS = 1 };

struct nl_search {
	/* states */
	word *states;
	uint32_t *parents;
	uint64_t count, next, level_end, capacity;
	/* their index */
	struct nl_index index;
	/* the graph of system transitions, only where the model has goals */
	uint8_t *flags;
	uint32_t *degrees;
	uint32_t *edges;
	uint64_t edge_count, edge_capacity;
	/* the batch */
	struct nl_out out;
	uint32_t *slot_state;
	uint32_t *slot_hash;
	uint32_t batch_slots;
	/* results */
	uint64_t *levels;
	uint64_t level_count, level_capacity;
	uint64_t transitions, rests, stuck;
	uint32_t first_stuck;
	uint32_t *first_broken;
	uint64_t *failing;       /* per goal: states of rest without it */
	uint32_t *first_failing; /* and the first of them */
	struct nl_first faulty;
	/* limits */
	uint64_t memory_limit;
};

/* --- memory ---------------------------------------------------------------------------------- */

static uint64_t state_bytes(void)
{
	uint64_t graph = sizeof(uint8_t) + sizeof(uint32_t) + BYTES_FOR_GOALS;

	return nl_model.words * sizeof(word) + sizeof(uint32_t) + (nl_model.goals ? graph : 0);
}

uint64_t nl_memory(const struct nl_search *x)
{
	return x->count * state_bytes() + nl_index_bytes(&x->index) +
	       x->edge_count * sizeof(uint32_t) + x->level_capacity * sizeof(uint64_t);
}

/* The table may become twice as large if the limit allows it. */
static int grow(struct nl_search *x)
{
	if (nl_memory(x) + nl_index_bytes(&x->index) > x->memory_limit)
		return 0;
	return nl_index_grow(&x->index);
}

/* The number of a state, which is new if it equals the count before. */
ALWAYS_INLINE uint32_t insert(struct nl_search *x, const word *s, uint32_t tag, unsigned words)
{
	uint64_t *slot = nl_index_find(&x->index, x->states, s, tag, words);

	if (*slot)
		return nl_entry_number(*slot);
	*slot = nl_entry((uint32_t)x->count, tag);
	memcpy(x->states + x->count * words, s, words * sizeof(word));
	return (uint32_t)x->count++;
}

/* --- one batch ------------------------------------------------------------------------------- */

static void note_rest(struct nl_search *x, const word *s, uint32_t number, uint64_t unmet)
{
	x->rests++;
	for (unsigned i = 0; unmet >> i; i++) {
		if (!(unmet >> i & 1))
			continue;
		if (!x->failing[i]++)
			x->first_failing[i] = number;
	}
	if (nl_model.idle(s))
		return;
	x->stuck++;
	if (x->first_stuck == NL_NONE)
		x->first_stuck = number;
}

/* Fills the buffer with successors of the next states of this level. */
static void expand(struct nl_search *x)
{
	struct nl_out *out = &x->out;

	out->count = 0;
	while (x->next < x->level_end && out->count + nl_model.max_successors <= x->batch_slots) {
		const uint32_t number = (uint32_t)x->next++;
		const word *s = x->states + (uint64_t)number * nl_model.words;
		const uint32_t before = out->count;
		int bad = 0;
		uint64_t broken = nl_model.invariants ? nl_model.broken(s, &bad) : 0;
		uint64_t unmet = nl_model.goals ? nl_model.unmet(s, &bad) : 0;
		uint8_t flags = unmet ? NL_UNMET : 0;

		if (bad)
			nl_note(out->faulty, number, NL_NONE);
		for (unsigned i = 0; broken >> i; i++)
			if ((broken >> i & 1) && x->first_broken[i] == NL_NONE)
				x->first_broken[i] = number;
		out->state = number;
		out->enabled = out->enabled_system = out->excused = out->broken = 0;
		if (broken || bad) {
			flags |= NL_EXCUSED;
		} else {
			nl_model.successors(s, out);
			if (out->broken)
				out->count = before;
			else if (!out->enabled_system)
				note_rest(x, s, number, unmet);
			if (out->excused || out->broken)
				flags |= NL_EXCUSED;
		}
		x->transitions += out->enabled;
		if (nl_model.goals)
			x->flags[number] = flags;
		for (uint32_t i = before; i < out->count; i++)
			x->slot_state[i] = number;
	}
}

ALWAYS_INLINE void insert_batch_of(struct nl_search *x, unsigned words)
{
	const struct nl_out *out = &x->out;

	for (uint32_t i = 0; i < out->count; i++) {
		x->slot_hash[i] = nl_hash(out->slots + (uint64_t)i * words, words);
		nl_index_prefetch(&x->index, x->slot_hash[i]);
	}
	for (uint32_t i = 0; i < out->count; i++)
		nl_index_prefetch_match(&x->index, x->states, x->slot_hash[i], words);
	for (uint32_t i = 0; i < out->count; i++) {
		const uint32_t from = x->slot_state[i];
		const uint64_t before = x->count;
		const uint32_t to = insert(x, out->slots + (uint64_t)i * words, x->slot_hash[i], words);

		if (to == before)
			x->parents[to] = from;
		if (!nl_model.goals || !out->actors[i])
			continue;
		if (to == from) {
			x->flags[from] |= NL_LOOP;
		} else {
			x->edges[x->edge_count++] = to;
			x->degrees[from]++;
		}
	}
}

#define BY_WORDS(call)                                                                             \
	switch (nl_model.words) {                                                                  \
	case 1: call(x, 1); break;                                                                 \
	case 2: call(x, 2); break;                                                                 \
	case 3: call(x, 3); break;                                                                 \
	case 4: call(x, 4); break;                                                                 \
	case 5: call(x, 5); break;                                                                 \
	case 6: call(x, 6); break;                                                                 \
	case 7: call(x, 7); break;                                                                 \
	case 8: call(x, 8); break;                                                                 \
	default: call(x, nl_model.words);                                                          \
	}

static void insert_batch(struct nl_search *x)
{
	BY_WORDS(insert_batch_of)
}

/* Whether the next batch fits, after growing the table if need be. */
static int room(struct nl_search *x)
{
	const uint64_t most = x->batch_slots;

	if (x->count + most >= x->capacity)
		return 0;
	if (nl_model.goals && x->edge_count + most >= x->edge_capacity)
		return 0;
	if (nl_memory(x) + most * (state_bytes() + sizeof(uint32_t)) > x->memory_limit)
		return 0;
	while (x->count + most > nl_index_room(&x->index))
		if (!grow(x))
			return 0;
	return 1;
}

static int end_level(struct nl_search *x)
{
	if (x->level_count == x->level_capacity) {
		uint64_t capacity = x->level_capacity ? 2 * x->level_capacity : 256;
		uint64_t *levels = realloc(x->levels, capacity * sizeof(*levels));

		if (!levels)
			return 0;
		x->levels = levels;
		x->level_capacity = capacity;
	}
	x->levels[x->level_count++] = x->count - x->level_end;
	x->level_end = x->count;
	return 1;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- what Python calls ----------------------------------------------------------------------- */

/* Searches for about so many nanoseconds; can be called again while it returns RUNNING. */
int nl_slice(struct nl_search *x, uint64_t nanoseconds)
{
	const uint64_t end = now() + nanoseconds;

	do {
		if (x->next == x->level_end) {
			if (x->count == x->level_end)
				return COMPLETE;
			if (!end_level(x))
				return OUT_OF_MEMORY;
		}
		if (!room(x))
			return OUT_OF_MEMORY;
		expand(x);
		insert_batch(x);
	} while (now() < end);
	return RUNNING;
}

void nl_free(struct nl_search *x)
{
	if (!x)
		return;
	nl_release(x->states, x->capacity * nl_model.words * sizeof(word));
	nl_release(x->parents, x->capacity * sizeof(uint32_t));
	nl_release(x->flags, x->capacity * sizeof(uint8_t));
	nl_release(x->degrees, x->capacity * sizeof(uint32_t));
	nl_release(x->edges, x->edge_capacity * sizeof(uint32_t));
	nl_release(x->index.table, nl_index_bytes(&x->index));
	free(x->out.slots);
	free(x->out.actors);
	free(x->out.fired);
	free(x->out.failed);
	free(x->slot_state);
	free(x->slot_hash);
	free(x->levels);
	free(x->first_broken);
	free(x->failing);
	free(x->first_failing);
	free(x);
}

static int allocate(struct nl_search *x)
{
	const uint64_t slots = x->batch_slots;

	x->states = nl_reserve(x->capacity * nl_model.words * sizeof(word));
	x->parents = nl_reserve(x->capacity * sizeof(uint32_t));
	x->index.table = nl_reserve(nl_index_bytes(&x->index));
	if (nl_model.goals) {
		x->flags = nl_reserve(x->capacity * sizeof(uint8_t));
		x->degrees = nl_reserve(x->capacity * sizeof(uint32_t));
		x->edges = nl_reserve(x->edge_capacity * sizeof(uint32_t));
		if (!x->flags || !x->degrees || !x->edges)
			return 0;
	}
	x->out.slots = calloc(slots * nl_model.words, sizeof(word));
	x->out.actors = calloc(slots, sizeof(uint32_t));
	x->out.fired = calloc(nl_model.transitions + 1, sizeof(uint64_t));
	x->out.failed = calloc(nl_model.checks + 1, sizeof(struct nl_first));
	x->slot_state = calloc(slots, sizeof(uint32_t));
	x->slot_hash = calloc(slots, sizeof(uint32_t));
	x->first_broken = calloc(nl_model.invariants + 1, sizeof(uint32_t));
	x->failing = calloc(nl_model.goals + 1, sizeof(uint64_t));
	x->first_failing = calloc(nl_model.goals + 1, sizeof(uint32_t));
	return x->states && x->parents && x->index.table && x->out.slots && x->out.actors &&
	       x->out.fired && x->out.failed && x->slot_state && x->slot_hash && x->first_broken &&
	       x->failing && x->first_failing;
}

/* A search that has seen the initial state, or NULL where not even that fits. */
struct nl_search *nl_new(const word *initial, uint64_t memory_limit)
{
	struct nl_search *x = calloc(1, sizeof(*x));
	uint64_t capacity = memory_limit / state_bytes() + 2 * BATCH;

	if (!x)
		return NULL;
	x->memory_limit = memory_limit;
	x->capacity = capacity < NL_NONE ? capacity : NL_NONE - 1;
	x->edge_capacity = memory_limit / sizeof(uint32_t) + 2 * BATCH;
	x->batch_slots = BATCH + nl_model.max_successors;
	x->capacity += x->batch_slots;
	x->index.bits = FIRST_TABLE_BITS;
	x->first_stuck = NL_NONE;
	x->faulty = (struct nl_first){ NL_NONE, NL_NONE };
	if (!allocate(x)) {
		nl_free(x);
		return NULL;
	}
	x->out.faulty = &x->faulty;
	for (uint32_t i = 0; i < nl_model.checks; i++)
		x->out.failed[i] = x->faulty;
	for (uint32_t i = 0; i < nl_model.invariants; i++)
		x->first_broken[i] = NL_NONE;
	for (uint32_t i = 0; i < nl_model.goals; i++)
		x->first_failing[i] = NL_NONE;
	memcpy(x->out.slots, initial, nl_model.words * sizeof(word));
	nl_model.canonical(x->out.slots);
	x->out.count = 1;
	x->slot_state[0] = 0;
	while (x->batch_slots > nl_index_room(&x->index))
		if (!nl_index_grow(&x->index)) {
			nl_free(x);
			return NULL;
		}
	insert_batch(x);
	return x;
}

/* The counts, in the order that native.py reads them. */
void nl_counts(const struct nl_search *x, uint64_t *to)
{
	const uint64_t counts[] = {
		x->count,	x->next,	x->transitions,	    x->level_count,
		x->rests,	x->stuck,	x->first_stuck,	    x->edge_count,
		nl_memory(x),	x->faulty.state, x->faulty.transition,
	};

	memcpy(to, counts, sizeof(counts));
}

const uint64_t *nl_levels(const struct nl_search *x)
{
	return x->levels;
}

const uint64_t *nl_fired(const struct nl_search *x)
{
	return x->out.fired;
}

const struct nl_first *nl_failures(const struct nl_search *x)
{
	return x->out.failed;
}

const uint32_t *nl_first_broken(const struct nl_search *x)
{
	return x->first_broken;
}

const uint64_t *nl_failing(const struct nl_search *x)
{
	return x->failing;
}

const uint32_t *nl_first_failing(const struct nl_search *x)
{
	return x->first_failing;
}

const word *nl_state(const struct nl_search *x, uint32_t number)
{
	return x->states + (uint64_t)number * nl_model.words;
}

uint32_t nl_parent(const struct nl_search *x, uint32_t number)
{
	return x->parents[number];
}

/* The graph of system transitions, for backward.c and liveness.c. */
void nl_graph(const struct nl_search *x, struct nl_graph *to)
{
	*to = (struct nl_graph){ x->next,  x->edge_count, x->states, x->degrees,
				 x->edges, x->flags,	  &x->index };
}
