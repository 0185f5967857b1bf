/*
 * Which steps are executed together with another one: see engines/reductions/ahead.py, and for those
 * that nobody minds engines/reductions/independence.py.
 *
 * The generated file includes this once it has said how many words a state has (NL_WORDS), how many a
 * set of bits (NL_BITS: the cells of a state where the state has them, then the questions), how many
 * there are who can act (NL_OTHERS), and when a loop is looked for (NL_FIRST_LANDMARK, NL_MOST_MERGED).
 */
#ifndef NOLOCK_AHEAD_H
#define NOLOCK_AHEAD_H

#include "explore.h"

#include <string.h>

#define NL_AHEAD static inline __attribute__((always_inline, unused))

/* What somebody may write, and what he looks at. */
struct nl_area {
	word writes[NL_BITS];
	word looks[NL_BITS];
};

/* A part of a footprint: the first of its areas, and which locals say how many places after it. */
struct nl_part {
	uint32_t key;
	uint32_t first;
};

/* A step that may be taken at once, and what is known of the others. */
struct nl_step {
	word changed[NL_BITS]; /* by the step */
	word touched[NL_BITS];
	word acting[NL_BITS];  /* what those who can act may write */
	word moving[NL_BITS];  /* that, and what is changed */
	word awake[(NL_OTHERS + 63) / 64]; /* who can act, as far as found */
};

NL_AHEAD int nl_bit(const word *set, val at)
{
	return (int)(set[at / 64] >> (at % 64) & 1);
}

NL_AHEAD void nl_set_bit(word *set, val at)
{
	set[at / 64] |= (word)1 << (at % 64);
}

NL_AHEAD int nl_meet(const word *a, const word *b)
{
	word both = 0;

	for (int i = 0; i < NL_BITS; i++)
		both |= a[i] & b[i];
	return both != 0;
}

/* Somebody can act: whether he minds. */
NL_AHEAD int nl_minds(struct nl_step *x, const struct nl_area *area)
{
	word clash = 0;

	for (int i = 0; i < NL_BITS; i++) {
		clash |= (area->writes[i] & x->touched[i]) | (area->looks[i] & x->changed[i]);
		x->acting[i] |= area->writes[i];
		x->moving[i] |= area->writes[i];
	}
	return clash != 0;
}

NL_AHEAD void nl_touch(struct nl_step *x, const struct nl_area *area)
{
	for (int i = 0; i < NL_BITS; i++)
		x->touched[i] |= area->writes[i];
}

/* Begins with a step from one state to another. */
NL_AHEAD void nl_step_begin(struct nl_step *x, const word *from, const word *to)
{
	memset(x, 0, sizeof(*x));
	for (int i = 0; i < NL_WORDS; i++)
		x->moving[i] = x->changed[i] = from[i] ^ to[i];
}

/* The step changes the answer to a question. */
NL_AHEAD void nl_answer(struct nl_step *x, val question)
{
	nl_set_bit(x->changed, question);
	nl_set_bit(x->moving, question);
}

/*
 * Takes all steps that need not be explored apart; returns who has taken any, a bit for each. `merged`
 * takes one step of an instance and says whether there was one. If a state recurs, none is taken.
 */
NL_AHEAD uint64_t nl_ahead(word *n, uint64_t *fired, uint32_t everybody,
			   int (*merged)(uint32_t who, word *n, uint64_t *fired))
{
	word begin[NL_WORDS], landmark[NL_WORDS];
	uint32_t steps = 0, remember_at = NL_FIRST_LANDMARK, who = 0, since = 0;
	uint64_t found = 0;

	memcpy(begin, n, sizeof(begin));
	while (since < everybody) {
		if (!merged(who, n, fired)) {
			who = who + 1 < everybody ? who + 1 : 0;
			since++;
			continue;
		}
		since = 0;
		found |= (uint64_t)1 << who;
		steps++;
		if (steps == NL_MOST_MERGED ||
		    (steps > NL_FIRST_LANDMARK && !memcmp(n, landmark, sizeof(landmark)))) {
			memcpy(n, begin, sizeof(begin));
			return 0;
		}
		if (steps == remember_at) {
			memcpy(landmark, n, sizeof(landmark));
			remember_at *= 2;
		}
	}
	return found;
}

#endif
