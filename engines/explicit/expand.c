/*
 * Expanding a batch of states: their successors into a buffer, what was seen into a tally. Nothing
 * here changes what other threads read.
 */
#include "search.h"

#include <stdlib.h>

/* --- tallies ----------------------------------------------------------------------------------- */

int nl_tally_open(struct nl_tally *t)
{
	*t = (struct nl_tally){ .first_stuck = NL_NONE, .faulty = { NL_NONE, NL_NONE } };
	t->state = calloc(nl_model.words, sizeof(word));
	t->out.fired = calloc(nl_model.transitions + 1, sizeof(uint64_t));
	t->out.failed = calloc(nl_model.checks + 1, sizeof(struct nl_first));
	t->first_broken = calloc(nl_model.invariants + 1, sizeof(uint32_t));
	t->failing = calloc(nl_model.goals + 1, sizeof(uint64_t));
	t->first_failing = calloc(nl_model.goals + 1, sizeof(uint32_t));
	if (!t->state || !t->out.fired || !t->out.failed || !t->first_broken || !t->failing ||
	    !t->first_failing)
		return 0;
	for (uint32_t i = 0; i < nl_model.checks; i++)
		t->out.failed[i] = t->faulty;
	for (uint32_t i = 0; i < nl_model.invariants; i++)
		t->first_broken[i] = NL_NONE;
	for (uint32_t i = 0; i < nl_model.goals; i++)
		t->first_failing[i] = NL_NONE;
	return 1;
}

void nl_tally_close(struct nl_tally *t)
{
	free(t->state);
	free(t->out.fired);
	free(t->out.failed);
	free(t->first_broken);
	free(t->failing);
	free(t->first_failing);
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

int nl_batch_open(struct nl_batch *b, uint32_t most_states, uint64_t most_slots)
{
	*b = (struct nl_batch){ .most_states = most_states, .most_slots = (uint32_t)most_slots };
	b->slots = nl_reserve(most_slots * nl_model.words * sizeof(word));
	b->actors = nl_reserve(most_slots * sizeof(uint32_t));
	b->hashes = nl_reserve(most_slots * sizeof(uint64_t));
	b->places = nl_reserve(most_slots * sizeof(uint64_t));
	b->ends = nl_reserve(most_states * sizeof(uint32_t));
	return b->slots && b->actors && b->hashes && b->places && b->ends;
}

void nl_batch_close(struct nl_batch *b)
{
	nl_release(b->slots, (uint64_t)b->most_slots * nl_model.words * sizeof(word));
	nl_release(b->actors, b->most_slots * sizeof(uint32_t));
	nl_release(b->hashes, b->most_slots * sizeof(uint64_t));
	nl_release(b->places, b->most_slots * sizeof(uint64_t));
	nl_release(b->ends, b->most_states * sizeof(uint32_t));
}

/* --- expanding --------------------------------------------------------------------------------- */

static void note_rest(struct nl_tally *t, uint32_t number, uint64_t unmet)
{
	t->rests++;
	for (uint64_t left = unmet; left; left &= left - 1) {
		const int i = __builtin_ctzll(left);

		if (!t->failing[i]++)
			t->first_failing[i] = number;
	}
	if (nl_model.idle(t->state))
		return;
	t->stuck++;
	if (t->first_stuck == NL_NONE)
		t->first_stuck = number;
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
		if (t->first_broken[__builtin_ctzll(left)] == NL_NONE)
			t->first_broken[__builtin_ctzll(left)] = number;
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

/*
 * Fills a batch with the successors of the states from `b->first` on, up to `end`, as long as there
 * is room for them; and computes their hashes.
 */
void nl_expand(const struct nl_search *x, struct nl_tally *t, struct nl_batch *b, uint64_t end)
{
	struct nl_out *out = &t->out;
	uint64_t number = b->first;

	if (end - number > b->most_states)
		end = number + b->most_states;
	out->faulty = &t->faulty;
	out->apart = x->apart;
	out->slots = b->slots;
	out->actors = b->actors;
	out->count = 0;
	while (number < end && out->count + nl_model.max_successors <= b->most_slots) {
		uint64_t unmet;
		uint16_t flags;

		nl_store_get(&x->states, number, t->state, nl_model.words);
		flags = expand_one(t, (uint32_t)number, &unmet);
		if (x->graph) {
			x->nodes[number] = flags;
			nl_put_missed(x->missed, number, unmet);
		}
		b->ends[number++ - b->first] = out->count;
	}
	b->states = (uint32_t)(number - b->first);
	b->count = out->count;
}
