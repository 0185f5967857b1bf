/*
 * The first parents of all states, in two bits each.
 *
 * States are numbered in the order in which their parents are expanded, so the parents of 1, 2, 3,
 * ... never fall. They are stored as the expansion went: for each expanded state a 0 for every state
 * that was found from it, then a 1. State n > 0 is the n-th 0, and its parent is the number of ones
 * before. Whoever expands state s, after which `count` states are known, sets bit s + count - 1.
 */
#include "search.h"

uint64_t nl_parents_bytes(uint64_t states)
{
	return (2 * states / 64 + 1) * sizeof(uint64_t);
}

/*
 * The numbers of the states on the way from the initial state to this one, the last first; returns
 * how many. `to` has a place for each level. A single pass from the end, since no parent is higher
 * than its child.
 */
uint64_t nl_path(const struct nl_search *x, uint64_t number, uint32_t *to)
{
	uint64_t at = nl_parents_end(x->next, x->count); /* all bits before it are known */
	uint64_t zeros = x->count - 1, steps = 0;

	to[steps++] = (uint32_t)number;
	while (number) {
		/* Before `at` there are so many zeros; the wanted one is number - 1 from the front. */
		while (zeros >= number) {
			if (at % 64 == 0 && at >= 64) {
				const uint64_t ones = x->parents[at / 64 - 1];
				const uint64_t here = 64 - (uint64_t)__builtin_popcountll(ones);

				if (zeros - here >= number) {
					at -= 64;
					zeros -= here;
					continue;
				}
			}
			at--;
			zeros -= !has(x->parents, at);
		}
		/* Bit `at` is the child's 0. */
		number = at - zeros;
		to[steps++] = (uint32_t)number;
	}
	return steps;
}
