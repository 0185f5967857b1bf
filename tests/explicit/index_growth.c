/* Fills an index, makes it larger as several threads would, and looks for every entry again. */
#include "index.h"

const struct nl_model nl_model = { .words = 1 };

static uint64_t drawn(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Keys that are spread evenly, or of which each eighth has a few neighbours' places. */
static uint64_t key(uint64_t *seed, int crowded)
{
	const uint32_t any = (uint32_t)drawn(seed);

	return crowded && any % 8 == 0 ? any >> 8 << 8 : any;
}

static int is_there(const struct nl_index *x, uint64_t entry)
{
	uint64_t at = nl_index_home(x, entry);

	while (x->table[at] && x->table[at] != entry)
		at = nl_index_after(x, at);
	return x->table[at] == entry;
}

/* How many entries are missing or there more often than they should; -1 without memory. */
int64_t wrong_after_growth(uint64_t before, uint64_t after, uint32_t threads, uint64_t seed,
			   int crowded)
{
	const uint64_t count = before / 5 * 4, first = seed;
	struct nl_index x = { .fingerprints = 0 };
	struct nl_growth growth;
	int64_t wrong = 0;

	if (!nl_index_open(&x, after))
		return -1;
	x.entries = before;
	for (uint64_t i = 0; i < count; i++)
		nl_index_enter(&x, (i + 1) << 32 | key(&seed, crowded));
	if (!nl_growth_begin(&growth, &x, after))
		return -1;
	for (uint64_t end = growth.before, begin; end; end = begin) {
		begin = nl_growth_zone(&growth, &x, end);
		for (uint32_t me = threads; me-- > 0;)
			nl_growth_share(&growth, &x, begin, end, me, threads);
	}
	nl_growth_end(&growth, &x);
	seed = first;
	for (uint64_t i = 0; i < count; i++)
		wrong += !is_there(&x, (i + 1) << 32 | key(&seed, crowded));
	for (uint64_t at = 0; at < after; at++)
		wrong += x.table[at] != 0;
	wrong -= (int64_t)count;
	nl_index_close(&x);
	return wrong;
}
