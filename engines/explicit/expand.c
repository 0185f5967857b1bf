/*
 * Expanding a batch of states: their successors into a buffer, what was seen into a tally. Nothing
 * here changes what other threads read.
 */
#include "search.h"

#include <stdlib.h>

/* --- tallies ----------------------------------------------------------------------------------- */

/* A tally of nothing, or NULL. */
struct nl_tally *nl_tally_new(void)
{
	struct nl_tally *t = nl_own_lines(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct nl_tally){ .first_stuck = NL_NONE, .faulty = { NL_NONE, NL_NONE } };
	t->state = nl_own_lines(nl_model.words, sizeof(*t->state));
	t->out.fired = nl_own_lines(nl_model.transitions, sizeof(*t->out.fired));
	t->out.failed = nl_own_lines(nl_model.checks, sizeof(*t->out.failed));
	t->first_broken = nl_own_lines(nl_model.invariants, sizeof(*t->first_broken));
	t->failing = nl_own_lines(nl_model.goals, sizeof(*t->failing));
	t->first_failing = nl_own_lines(nl_model.goals, sizeof(*t->first_failing));
	if (!t->state || !t->out.fired || !t->out.failed || !t->first_broken || !t->failing ||
	    !t->first_failing) {
		nl_tally_free(t);
		return NULL;
	}
	for (uint32_t i = 0; i < nl_model.checks; i++)
		t->out.failed[i] = t->faulty;
	for (uint32_t i = 0; i < nl_model.invariants; i++)
		t->first_broken[i] = NL_NONE;
	for (uint32_t i = 0; i < nl_model.goals; i++)
		t->first_failing[i] = NL_NONE;
	return t;
}

void nl_tally_free(struct nl_tally *t)
{
	if (!t)
		return;
	free(t->state);
	free(t->out.fired);
	free(t->out.failed);
	free(t->first_broken);
	free(t->failing);
	free(t->first_failing);
	free(t);
}

static void take_lower(uint32_t *to, uint32_t from)
{
	if (from < *to)
		*to = from;
}

static void take_first(struct nl_first *to, const struct nl_first *from)
{
	if (from->state < to->state)
		*to = *from;
}

/* Each state is in one tally only, so that the lower of two firsts is the first of both. */
void nl_tally_add(struct nl_tally *to, const struct nl_tally *from)
{
	to->transitions += from->transitions;
	to->rests += from->rests;
	to->stuck += from->stuck;
	take_lower(&to->first_stuck, from->first_stuck);
	take_first(&to->faulty, &from->faulty);
	for (uint32_t i = 0; i < nl_model.transitions; i++)
		to->out.fired[i] += from->out.fired[i];
	for (uint32_t i = 0; i < nl_model.checks; i++)
		take_first(&to->out.failed[i], &from->out.failed[i]);
	for (uint32_t i = 0; i < nl_model.invariants; i++)
		take_lower(&to->first_broken[i], from->first_broken[i]);
	for (uint32_t i = 0; i < nl_model.goals; i++) {
		to->failing[i] += from->failing[i];
		take_lower(&to->first_failing[i], from->first_failing[i]);
	}
}

/* --- batches ----------------------------------------------------------------------------------- */

int nl_batch_open(struct nl_batch *b)
{
	const uint64_t most_slots = NL_BATCH + nl_model.max_successors;

	*b = (struct nl_batch){ .most_slots = (uint32_t)most_slots };
	b->slots = nl_reserve(most_slots * nl_model.words * sizeof(word));
	b->actors = nl_reserve(most_slots * sizeof(uint32_t));
	b->hashes = nl_reserve(most_slots * sizeof(uint64_t));
	b->places = nl_reserve(most_slots * sizeof(uint64_t));
	b->ends = nl_reserve(NL_BATCH * sizeof(uint32_t));
	return b->slots && b->actors && b->hashes && b->places && b->ends;
}

void nl_batch_close(struct nl_batch *b)
{
	nl_release(b->slots, (uint64_t)b->most_slots * nl_model.words * sizeof(word));
	nl_release(b->actors, b->most_slots * sizeof(uint32_t));
	nl_release(b->hashes, b->most_slots * sizeof(uint64_t));
	nl_release(b->places, b->most_slots * sizeof(uint64_t));
	nl_release(b->ends, NL_BATCH * sizeof(uint32_t));
}

/* --- expanding --------------------------------------------------------------------------------- */

static void note_rest(struct nl_tally *t, uint32_t number, uint64_t unmet)
{
	t->rests++;
	for (uint64_t left = unmet; left; left &= left - 1) {
		const int i = __builtin_ctzll(left);

		t->failing[i]++;
		take_lower(&t->first_failing[i], number);
	}
	if (nl_model.idle(t->state))
		return;
	t->stuck++;
	take_lower(&t->first_stuck, number);
}

/* One state, whose successors go to the next free slots; returns its flags. `unmet` gets the
 * goals that it misses. */
static uint16_t expand_one(struct nl_tally *t, uint32_t number, uint64_t *unmet)
{
	struct nl_out *out = &t->out;
	const word *s = t->state;
	const uint32_t before = out->count;
	int bad = 0;
	const uint64_t broken = nl_model.invariants ? nl_model.broken(s, &bad) : 0;
	uint16_t flags = 0;

	*unmet = nl_model.goals ? nl_model.unmet(s, &bad) : 0;
	if (bad)
		nl_note(out->faulty, number, NL_NONE);
	for (uint64_t left = broken; left; left &= left - 1)
		take_lower(&t->first_broken[__builtin_ctzll(left)], number);
	if (broken || bad)
		return NL_EXCUSED;
	out->state = number;
	out->enabled = out->enabled_system = out->excused = out->broken = 0;
	nl_model.successors(s, out);
	if (out->broken)
		out->count = before;
	else if (!out->enabled_system)
		note_rest(t, number, *unmet);
	if (out->excused || out->broken)
		flags |= NL_EXCUSED;
	t->transitions += out->enabled;
	return flags;
}

ALWAYS_INLINE void expand_of(const struct nl_search *x, struct nl_tally *t, struct nl_batch *b,
			     uint64_t end, unsigned words)
{
	struct nl_out *out = &t->out;
	uint64_t number = b->first;
	uint32_t hashed = 0;

	while (number < end && out->count + nl_model.max_successors <= b->most_slots) {
		uint64_t unmet;
		uint16_t flags;

		nl_store_get(&x->states, number, t->state, words);
		flags = expand_one(t, (uint32_t)number, &unmet);
		if (x->graph) {
			x->nodes[number] = flags;
			nl_put_missed(x->missed, number, unmet);
		}
		for (; hashed < out->count; hashed++) {
			b->hashes[hashed] = nl_hash(b->slots + (uint64_t)hashed * words, words);
			nl_index_prefetch(&x->index, b->hashes[hashed]);
		}
		b->ends[number++ - b->first] = out->count;
	}
	b->states = (uint32_t)(number - b->first);
	b->count = out->count;
}

/*
 * Fills a batch with the successors of the states from `b->first` on, up to `end`, as long as there
 * is room for them. Computes their hashes, and prefetches where they are in the index.
 */
void nl_expand(const struct nl_search *x, struct nl_tally *t, struct nl_batch *b, uint64_t end)
{
	struct nl_out *out = &t->out;

	if (end - b->first > NL_BATCH)
		end = b->first + NL_BATCH;
	out->faulty = &t->faulty;
	out->apart = x->apart;
	out->slots = b->slots;
	out->actors = b->actors;
	out->count = 0;
	BY_WORDS(expand_of, x, t, b, end)
}
