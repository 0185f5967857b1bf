/*
 * The explorer: level-synchronous breadth-first search over packed states.
 *
 * States live in one append-only array (store.h). A state's number is its place in the search order,
 * so the array is frontier and graph node at once. The arrays are reserved once and get real memory
 * only where they are touched; so they never move.
 *
 * A batch of states is expanded into a buffer, and each successor's place in the index is prefetched;
 * then the states they most likely equal are prefetched, and only then are the successors entered, in
 * order. Waiting for memory thus overlaps, and the order of states stays that of the reference
 * interpreter, whatever the size of a batch and however many threads there are.
 *
 * The search stops at the memory limit before the first state whose successors might not fit. That
 * too depends on the numbers of states and edges alone.
 *
 * With fingerprints the index keeps a hash of each state and the array only those that are still to
 * be expanded: the pages of the others are given back. A state whose hash equals that of another is
 * then missed.
 */
#include "search.h"

#include <stdlib.h>
#include <time.h>

/* What judging the goals takes afterwards, per state: four sets, and 12 bytes for 64 states. */
enum { BYTES_FOR_GOALS = 1 };

/* System steps of a state, where it is not known yet how many there are. */
enum { EXPECTED_EDGES = 8 };

/* --- memory ------------------------------------------------------------------------------------ */

/* Bytes of expanded states that were given back, wherever huge pages begin. */
static uint64_t bytes_less(const struct nl_search *x)
{
	const uint64_t pages = x->next * x->states.bytes / NL_HUGE_PAGE;

	return x->index.fingerprints && pages ? (pages - 1) * NL_HUGE_PAGE : 0;
}

/* Bytes of states and all that is kept for them, apart from the index and edges. */
static uint64_t bytes_for(const struct nl_search *x, uint64_t states)
{
	const uint64_t node = x->graph ? sizeof(*x->nodes) + nl_missed_bytes() + BYTES_FOR_GOALS : 0;

	return states * (x->states.bytes + node) + nl_parents_bytes(states) - bytes_less(x);
}

/* Entries for as many states as there can be; rounded up, as sizes are to whole lines. */
static uint64_t most_entries(const struct nl_search *x)
{
	return (x->capacity / 32 + NL_FIRST_ENTRIES) * (x->index.fingerprints ? 40 : 48);
}

/*
 * The entries of the index for so many states. The sizes that it goes through are always the same, so
 * that the memory that a search takes depends on what it has found alone. A search that has outgrown
 * the small sizes goes straight to the one for the states that are expected.
 */
uint64_t nl_index_wanted(const struct nl_search *x, uint64_t states)
{
	const uint64_t enough = most_entries(x);
	const int is_large = states > nl_index_room(&x->index, NL_MANY_ENTRIES);
	uint64_t entries = NL_FIRST_ENTRIES;

	if (is_large && states < x->expected)
		states = x->expected;

	while (nl_index_room(&x->index, entries) < states && entries < enough)
		entries = nl_index_next(&x->index, entries);
	return entries < enough ? entries : enough;
}

static uint64_t memory_for(const struct nl_search *x, uint64_t more, uint64_t entries)
{
	return bytes_for(x, x->count + more) + nl_index_bytes(entries) +
	       (x->graph ? x->edge_count + more : 0) * sizeof(*x->edges) +
	       x->level_capacity * sizeof(*x->levels);
}

/* Whether so many more states and edges are within the limits. */
int nl_has_room(const struct nl_search *x, uint64_t more)
{
	const uint64_t entries = nl_index_wanted(x, x->count + more);

	return x->count + more <= x->capacity && memory_for(x, more, entries) <= x->memory_limit &&
	       (!x->graph || x->edge_count + more <= x->edge_capacity);
}

/* Nobody needs the states before this number any more, except where whole states are kept. */
void nl_advance(struct nl_search *x, uint64_t next)
{
	uint64_t memory;

	while (x->kept_count < x->wanted_count && x->wanted[x->kept_count] < next) {
		nl_store_get(&x->states, x->wanted[x->kept_count],
			     x->kept + x->kept_count * nl_model.words, nl_model.words);
		x->kept_count++;
	}
	x->next = next;
	memory = memory_for(x, 0, x->index.entries);
	if (memory > x->peak)
		x->peak = memory;
	if (x->index.fingerprints)
		x->given_back = nl_give_back(x->states.at, x->given_back, next * x->states.bytes);
}

/* --- one batch --------------------------------------------------------------------------------- */

ALWAYS_INLINE void enter_batch(struct nl_search *x, unsigned words)
{
	const struct nl_batch *b = &x->batch;
	uint32_t slot = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		b->places[i] = nl_index_look(&x->index, b->hashes[i]);
		nl_index_prefetch_state(&x->index, &x->states, b->places[i]);
	}
	for (uint32_t k = 0; k < b->states; k++) {
		const uint32_t from = (uint32_t)b->first + k;

		for (; slot < b->ends[k]; slot++) {
			const word *s = b->slots + (uint64_t)slot * words;
			const uint64_t hash = b->hashes[slot];
			const uint64_t at = nl_index_find_from(&x->index, &x->states,
							       b->places[slot], s, hash, words);
			uint32_t to = nl_entry_number(x->index.table[at]);

			if (!x->index.table[at]) {
				to = (uint32_t)x->count++;
				x->index.table[at] = nl_entry(&x->index, to, hash);
				nl_store_put(&x->states, to, s, words);
			}
			if (x->graph && b->actors[slot] && nl_add_edge(&x->nodes[from], from, to))
				x->edges[x->edge_count++] = to;
		}
		put(x->parents, nl_parents_end(from, x->count));
	}
}

static int grow_index(struct nl_search *x, uint64_t more)
{
	const uint64_t entries = nl_index_wanted(x, x->count + more);

	return entries <= x->index.entries || nl_index_grow(&x->index, entries);
}

/* Expands some states of this level; 0 if memory is short. */
int nl_step(struct nl_search *x)
{
	const int whole = nl_has_room(x, x->batch.most_slots);
	const uint64_t most = whole ? x->batch.most_slots : nl_model.max_successors;

	if ((!whole && !nl_has_room(x, most)) || !grow_index(x, most))
		return 0;
	nl_store_populate(&x->states, x->count + most);
	x->batch.first = x->next;
	nl_expand(x, x->tally, &x->batch, whole ? x->level_end : x->next + 1);
	BY_WORDS(enter_batch, x)
	nl_advance(x, x->next + x->batch.states);
	return 1;
}

/* Begins the next level, the current one being done; 0 if memory is short. */
int nl_begin_level(struct nl_search *x)
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

uint64_t nl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- what Python calls ------------------------------------------------------------------------- */

/* Searches for about so many nanoseconds; can be called again while it returns RUNNING. */
int nl_slice(struct nl_search *x, uint64_t nanoseconds)
{
	const uint64_t end = nl_now() + nanoseconds;

	do {
		if (x->next == x->level_end) {
			if (x->count == x->level_end || x->level_count == x->most_levels)
				return COMPLETE;
			if (!nl_begin_level(x))
				return OUT_OF_MEMORY;
		}
		if (nl_worth_sharing(x) ? !nl_share(x, end) : !nl_step(x))
			return OUT_OF_MEMORY;
	} while (nl_now() < end);
	return RUNNING;
}

/* Judging reads the nodes of 64 states at a time, so there are some beyond the last state. */
static uint64_t node_bytes(const struct nl_search *x)
{
	return (x->capacity + 64) * sizeof(*x->nodes);
}

/* Gives back all that has been stored; what was counted remains. */
void nl_shed(struct nl_search *x)
{
	nl_release(x->states.at, x->states.reserved);
	nl_release(x->parents, nl_parents_bytes(x->capacity));
	nl_release(x->nodes, node_bytes(x));
	nl_release(x->missed, x->capacity * nl_missed_bytes());
	nl_release(x->edges, x->edge_capacity * sizeof(*x->edges));
	free(x->edge_of);
	nl_index_close(&x->index);
	x->states.at = NULL;
	x->parents = NULL;
	x->nodes = NULL;
	x->missed = NULL;
	x->edges = NULL;
	x->edge_of = NULL;
}

void nl_free(struct nl_search *x)
{
	if (!x)
		return;
	nl_shed(x);
	nl_sharing_close(x->sharing);
	nl_batch_close(&x->batch);
	nl_tally_free(x->tally);
	free(x->kept);
	free(x->levels);
	free(x);
}

/*
 * Whether so many states leave room for more edges than they are likely to have: an index that is
 * too large must not stop a search. Where only fingerprints are kept, whole states are few.
 */
static int would_fit(const struct nl_search *x, uint64_t states)
{
	const uint64_t kept = x->index.fingerprints ? nl_parents_bytes(states) : bytes_for(x, states);
	const uint64_t edges = x->graph ? states * EXPECTED_EDGES * sizeof(*x->edges) : 0;

	return kept + edges + nl_index_bytes(nl_index_wanted(x, states)) <= x->memory_limit;
}

static int open_search(struct nl_search *x, uint32_t bytes)
{
	if (!nl_store_open(&x->states, x->capacity, bytes))
		return 0;
	x->parents = nl_reserve_in_order(nl_parents_bytes(x->capacity));
	if (x->graph) {
		x->nodes = nl_reserve_in_order(node_bytes(x));
		x->missed = nl_reserve_in_order(x->capacity * nl_missed_bytes());
		x->edges = nl_reserve_in_order(x->edge_capacity * sizeof(*x->edges));
	}
	return x->parents && (!x->graph || (x->nodes && x->missed && x->edges)) &&
	       nl_index_open(&x->index, most_entries(x)) && (x->tally = nl_tally_new()) &&
	       nl_batch_open(&x->batch);
}

/* A state takes this much at least, its place in the index included. */
static uint64_t least_bytes(const struct nl_search *x, uint32_t bytes)
{
	return x->index.fingerprints ? sizeof(uint64_t) * 5 / 4 : bytes + sizeof(uint64_t) * 3 / 2;
}

/*
 * A search that has seen the initial state, or NULL where there is no address space for it. `bytes`:
 * of the words of a state, so many hold something. Several threads search levels of `least_shared`
 * states and more. With `most_levels` the search ends after so many levels; it merges no steps and
 * judges goals in states of rest only. If so many states as `expected` fit, the index is made for them
 * at once.
 */
struct nl_search *nl_new(const word *initial, uint64_t memory_limit, uint32_t bytes,
			 uint32_t threads, uint32_t least_shared, int fingerprints,
			 uint32_t most_levels, uint64_t expected)
{
	struct nl_search *x = nl_own_lines(1, sizeof(*x));

	if (!x)
		return NULL;
	x->threads = nl_can_share() ? threads : 1;
	x->least_shared = least_shared;
	x->memory_limit = memory_limit;
	x->index.fingerprints = fingerprints;
	x->graph = nl_model.goals && !fingerprints && !most_levels;
	x->most_levels = most_levels ? most_levels : UINT64_MAX;
	x->apart = most_levels != 0;
	x->capacity = memory_limit / least_bytes(x, bytes) + 2;
	if (x->capacity > nl_index_room(&x->index, NL_MOST_ENTRIES) - NL_FIRST_ENTRIES)
		x->capacity = nl_index_room(&x->index, NL_MOST_ENTRIES) - NL_FIRST_ENTRIES;
	x->edge_capacity = memory_limit / sizeof(*x->edges);
	if (!open_search(x, bytes) || (x->threads > 1 && !(x->sharing = nl_sharing_open(x)))) {
		nl_free(x);
		return NULL;
	}
	memcpy(x->batch.slots, initial, nl_model.words * sizeof(word));
	nl_model.canonical(x->batch.slots);
	nl_store_put(&x->states, 0, x->batch.slots, nl_model.words);
	const uint64_t hash = nl_hash(x->batch.slots, nl_model.words);
	nl_index_enter(&x->index, nl_entry(&x->index, 0, hash));
	x->count = 1;
	if (expected <= x->capacity && would_fit(x, expected))
		x->expected = expected;
	nl_advance(x, 0);
	return x;
}
