/*
 * What Python asks of a search: counts, what was found first, states by number.
 */
#include "search.h"

#include <stdlib.h>

/* The counts, in the order that native.py reads them. */
void nl_counts(const struct nl_search *x, uint64_t *to)
{
	const struct nl_tally *t = x->tally;
	const uint64_t counts[] = {
		x->count,   x->next,         t->transitions,  x->level_count,
		t->rests,   t->stuck,        t->first_stuck,  x->edge_count,
		x->peak,    t->faulty.state, t->faulty.transition,
	};

	memcpy(to, counts, sizeof(counts));
}

const uint64_t *nl_levels(const struct nl_search *x)
{
	return x->levels;
}

const uint64_t *nl_fired(const struct nl_search *x)
{
	return x->tally->out.fired;
}

const struct nl_first *nl_failures(const struct nl_search *x)
{
	return x->tally->out.failed;
}

const uint32_t *nl_first_broken(const struct nl_search *x)
{
	return x->tally->first_broken;
}

const uint64_t *nl_failing(const struct nl_search *x)
{
	return x->tally->failing;
}

const uint32_t *nl_first_failing(const struct nl_search *x)
{
	return x->tally->first_failing;
}

/* The words of a state that is stored. */
void nl_state(const struct nl_search *x, uint32_t number, word *to)
{
	nl_store_get(&x->states, number, to, nl_model.words);
}

/* Keeps these states, in rising order, as the search comes to them; 0 if there is no memory. */
int nl_want(struct nl_search *x, const uint32_t *numbers, uint64_t count)
{
	x->wanted = numbers;
	x->wanted_count = count;
	x->kept = calloc(count + 1, nl_model.words * sizeof(word));
	return x->kept != NULL;
}

/* How many of them have been found. */
uint64_t nl_kept_count(const struct nl_search *x)
{
	return x->kept_count;
}

const word *nl_kept(const struct nl_search *x)
{
	return x->kept;
}

/*
 * The graph of system transitions, for backward.c, trim.c and liveness.c; 0 if there is no memory. It
 * is without states where none is kept.
 */
int nl_graph(struct nl_search *x, struct nl_graph *to)
{
	const uint64_t expanded = x->graph ? x->next : 0, words = (expanded + 63) / 64;
	uint64_t edge = 0;

	free(x->edge_of);
	x->edge_of = calloc(words + 1, sizeof(*x->edge_of));
	if (!x->edge_of)
		return 0;
	*to = (struct nl_graph){ expanded,   x->nodes,   x->missed, x->edges,
				 x->edge_of, &x->states, &x->index };
	for (uint64_t i = 0; i < expanded; i++) {
		if (i % 64 == 0)
			x->edge_of[i / 64] = edge;
		edge += nl_degree(to, i);
	}
	x->edge_of[words] = edge;
	return 1;
}
