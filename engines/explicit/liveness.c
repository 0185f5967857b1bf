/*
 * Can the system go on for ever without a goal, though every actor gets his turn?
 *
 * Looked for are cycles of system steps whose states all miss a goal, and that are fair: every actor
 * that can step somewhere on the cycle does step on it. A strongly connected component in which each
 * actor that can step has an edge inside is such a cycle, if all its edges are gone through. If an
 * actor can step but has no edge inside, a fair cycle cannot visit the states in which he can: they
 * are left out, and the components of the rest are looked at in the next round.
 *
 * What Tarjan's algorithm (in Pearce's form, without recursion) needs is stored only for the states
 * that trim.c has left. The stored edges do not say who made them: that is computed again, for
 * states on cycles only.
 */
#include "cycles.h"

#include <string.h>
#include <time.h>

/* What nl_cycles_slice() returns; native.py knows these by number. */
enum { RUNNING, NONE, FOUND };

enum { NOT_ROOT = 1u << 31, CHECK_CLOCK_EVERY = 256 };

/* --- one goal ---------------------------------------------------------------------------------- */

void nl_cycles_end_round(struct nl_cycles *x)
{
	nl_release(x->low, x->count * sizeof(*x->low));
	nl_release(x->stack, x->count * sizeof(*x->stack));
	nl_release(x->cursor, x->count * sizeof(*x->cursor));
	x->low = x->stack = x->cursor = NULL;
}

/* Begins a round over the live states; 0 if that takes more than `room` bytes. */
int nl_cycles_round(struct nl_cycles *x, uint64_t room)
{
	const uint64_t each = sizeof(*x->low) + sizeof(*x->stack) + sizeof(*x->cursor);
	uint32_t before = 0;

	nl_cycles_end_round(x);
	for (uint64_t w = 0; w < x->words; w++) {
		x->rank[w] = before;
		before += (uint32_t)__builtin_popcountll(x->live[w]);
	}
	x->count = before;
	if (x->count * each > room)
		return 0;
	if (x->count * each > x->peak)
		x->peak = x->count * each;
	x->low = nl_reserve(x->count * sizeof(*x->low));
	x->stack = nl_reserve(x->count * sizeof(*x->stack));
	x->cursor = nl_reserve(x->count * sizeof(*x->cursor));
	if (!x->low || !x->stack || !x->cursor)
		return 0;
	memset(x->spare, 0, x->words * sizeof(*x->spare));
	x->phase = WALK;
	x->depth = x->next = 0;
	x->top = x->count;
	x->found = 1;
	x->component = UINT32_MAX;
	x->best = NL_NONE;
	return 1;
}

/* --- judging a component ----------------------------------------------------------------------- */

/* The successors of a state, with who makes them. */
static void expand(struct nl_cycles *x, uint32_t i)
{
	x->out.count = 0;
	nl_store_get(x->g.states, i, x->state, nl_model.words);
	nl_model.successors(x->state, &x->out);
}

/* The number of a successor if it lies in this component, else NL_NONE. */
static uint32_t inside(const struct nl_cycles *x, uint32_t slot, uint32_t component)
{
	const word *s = x->out.slots + (uint64_t)slot * nl_model.words;
	const uint64_t hash = nl_hash(s, nl_model.words);
	const uint64_t at = nl_index_find_from(x->g.index, x->g.states, nl_index_home(x->g.index, hash),
					       s, hash, nl_model.words);
	const uint32_t to = nl_entry_number(x->g.index->table[at]);

	return has(x->live, to) && x->low[rank_of(x, to)] == component ? to : NL_NONE;
}

/* Whether a step, or one that is merged with it, is by somebody of whom none was known yet. */
static int somebody_new(const struct nl_cycles *x, uint32_t slot)
{
	if (!x->does[x->out.actors[slot]])
		return 1;
	for (uint64_t left = x->out.also[slot]; left; left &= left - 1)
		if (!x->does[nl_model.instances[__builtin_ctzll(left)]])
			return 1;
	return 0;
}

/* Who can step in one state of the component, and who does within it. */
static void count_one(struct nl_cycles *x, uint32_t i)
{
	expand(x, i);
	for (uint32_t k = 0; k < x->out.count; k++) {
		const uint32_t actor = x->out.actors[k];

		x->can[actor] = 1;
		if (!somebody_new(x, k) || inside(x, k, x->component) == NL_NONE)
			continue;
		x->does[actor] = 1;
		for (uint64_t left = x->out.also[k]; left; left &= left - 1)
			x->does[nl_model.instances[__builtin_ctzll(left)]] = 1;
	}
}

/* Keeps a state for the next round unless somebody can step in it who does not. */
static void keep_one(struct nl_cycles *x, uint32_t i)
{
	expand(x, i);
	for (uint32_t k = 0; k < x->out.count; k++)
		if (x->out.actors[k] && !x->does[x->out.actors[k]])
			return;
	put(x->spare, i);
}

static int is_fair(const struct nl_cycles *x)
{
	for (uint32_t actor = 1; actor < nl_model.actors; actor++)
		if (x->can[actor] && !x->does[actor])
			return 0;
	return 1;
}

static void note_fair(struct nl_cycles *x)
{
	for (uint64_t k = 0; k < x->size; k++) {
		if (x->stack[x->top + k] < x->best) {
			x->best = x->stack[x->top + k];
			x->best_component = x->component;
		}
	}
}

static void end_component(struct nl_cycles *x)
{
	x->top += x->size;
	x->component--;
	x->phase = WALK;
}

/* Looks at the next state of the component that is judged. */
static void judge(struct nl_cycles *x)
{
	const uint32_t i = x->stack[x->top + x->at++];

	if (x->phase == COUNT)
		count_one(x, i);
	else
		keep_one(x, i);
	if (x->at < x->size)
		return;
	x->at = 0;
	if (x->phase == COUNT && !is_fair(x)) {
		x->phase = KEEP;
		return;
	}
	if (x->phase == COUNT)
		note_fair(x);
	end_component(x);
}

/* --- Tarjan's algorithm ------------------------------------------------------------------------ */

static void enter(struct nl_cycles *x, uint32_t i)
{
	x->low[rank_of(x, i)] = x->found++;
	x->stack[x->depth] = i;
	x->cursor[x->depth++] = 0;
}

/* A state whose edges have all been gone through: perhaps a component is complete. */
static void leave(struct nl_cycles *x)
{
	const uint32_t i = x->stack[--x->depth], low = x->low[rank_of(x, i)];
	const int is_root = !(x->cursor[x->depth] & NOT_ROOT);

	x->stack[--x->top] = i;
	if (x->depth) {
		const uint32_t above = rank_of(x, x->stack[x->depth - 1]);

		if (low < x->low[above]) {
			x->low[above] = low;
			x->cursor[x->depth - 1] |= NOT_ROOT;
		}
	}
	if (!is_root)
		return;
	for (x->size = 0; x->top + x->size < x->count; x->size++) {
		const uint32_t member = rank_of(x, x->stack[x->top + x->size]);

		if (x->low[member] < low)
			break;
		x->low[member] = x->component;
		x->found--;
	}
	if (x->size == 1 && !(x->g.nodes[i] & NL_LOOP)) {
		end_component(x);
		return;
	}
	memset(x->can, 0, nl_model.actors);
	memset(x->does, 0, nl_model.actors);
	x->at = 0;
	x->phase = COUNT;
}

/* Goes on along the path until it grows or its last state is done. */
static void walk(struct nl_cycles *x)
{
	const uint32_t i = x->stack[x->depth - 1], mine = rank_of(x, i);
	const uint64_t edge = nl_first_edge(&x->g, i);
	uint32_t *cursor = &x->cursor[x->depth - 1];

	while ((*cursor & ~NOT_ROOT) < nl_degree(&x->g, i)) {
		const uint32_t to = x->g.edges[edge + (*cursor & ~NOT_ROOT)];
		uint32_t other;

		++*cursor;
		if (!has(x->live, to))
			continue;
		other = rank_of(x, to);
		if (!x->low[other]) {
			enter(x, to);
			return;
		}
		if (x->low[other] < x->low[mine]) {
			x->low[mine] = x->low[other];
			*cursor |= NOT_ROOT;
		}
	}
	leave(x);
}

/* The next state that has not been found yet; 0 if there is none. */
static int enter_next(struct nl_cycles *x)
{
	for (; x->next < 64 * x->words; x->next++) {
		const uint64_t rest = x->live[x->next / 64] >> (x->next % 64);

		if (!rest) {
			x->next |= 63;
			continue;
		}
		x->next += (uint64_t)__builtin_ctzll(rest);
		if (!x->low[rank_of(x, x->next)]) {
			enter(x, (uint32_t)x->next);
			return 1;
		}
	}
	return 0;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- what Python calls ------------------------------------------------------------------------- */

/*
 * Goes on with a round for about so many nanoseconds. After a round without a fair component, the
 * live states are those for the next one.
 */
int nl_cycles_slice(struct nl_cycles *x, uint64_t nanoseconds)
{
	const uint64_t end = now() + nanoseconds;

	do {
		for (int k = 0; k < CHECK_CLOCK_EVERY; k++) {
			if (x->phase != WALK) {
				judge(x);
			} else if (x->depth) {
				walk(x);
			} else if (!enter_next(x)) {
				if (x->best != NL_NONE)
					return FOUND;
				memcpy(x->live, x->spare, x->words * sizeof(*x->live));
				return NONE;
			}
		}
	} while (now() < end);
	return RUNNING;
}

/* The first state of the fair component that was found. */
uint32_t nl_cycles_first(const struct nl_cycles *x)
{
	return x->best;
}

/*
 * Who can step in a state of the fair component, and to which state of it (NL_NONE: out of it); and
 * whose steps are merged with that one. The arrays have nl_model.max_successors places; returns how
 * many are filled.
 */
uint32_t nl_cycles_edges(struct nl_cycles *x, uint32_t i, uint32_t *actors, uint32_t *to,
			 uint64_t *also)
{
	uint32_t count = 0;

	expand(x, i);
	for (uint32_t k = 0; k < x->out.count; k++) {
		if (!x->out.actors[k])
			continue;
		actors[count] = x->out.actors[k];
		also[count] = x->out.also[k];
		to[count++] = inside(x, k, x->best_component);
	}
	return count;
}

/* Bytes that were needed for the live states, at most. */
uint64_t nl_cycles_peak(const struct nl_cycles *x)
{
	return x->peak;
}

uint32_t nl_most_successors(void)
{
	return nl_model.max_successors;
}
