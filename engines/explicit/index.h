/*
 * The index from states to their numbers: an open-addressing table of 64-bit entries. The lower half
 * of an entry is the lower half of the state's hash, its key; the upper half is the state's number
 * + 1. Where only fingerprints are kept, an entry is the whole hash of 63 bits, and states have no
 * number here.
 *
 * The key gives the place, in such a way that a larger table has its entries in the same order. So
 * the table can grow where it is, from its end to its beginning, and there are never two of them.
 *
 * Several threads may enter states at once. A state that was found in this round of the search has
 * no number yet: its entry is a claim, and the number of that says who has found it (see threads.c).
 */
#ifndef NOLOCK_INDEX_H
#define NOLOCK_INDEX_H

#include "store.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NL_MOST_ENTRIES (1ull << 32)
#define NL_FIRST_ENTRIES 4096
#define NL_MANY_ENTRIES (1u << 21)
#define NL_LINE 8 /* entries of a cache line */
#define NL_CLAIM (1u << 31)
#define NL_GROWTH_LINES 16
#define NL_GROWTH_GOALS (2 * NL_GROWTH_LINES + 2) /* a table that grows is mostly not more than doubled */

struct nl_index {
	uint64_t *table;
	uint64_t entries, most_entries;
	int fingerprints;
};

/* --- hashing ----------------------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t nl_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * 63 good bits of a state, never 0, which is a free entry. Two words go into one multiplication, and
 * the loop is unrolled, because each multiplication has to wait for the one before.
 */
ALWAYS_INLINE uint64_t nl_hash(const word *s, unsigned words)
{
	const uint64_t a = 0xa0761d6478bd642fu, b = 2 * 0xe7037ed1a0b428dbu;
	uint64_t h = 0x9e3779b97f4a7c15u;

#pragma GCC unroll 4
	for (unsigned i = 0; i + 1 < words; i += 2)
		h = nl_mix(s[i] ^ (a + b * i), s[i + 1] ^ h);
	if (words % 2)
		h = nl_mix(s[words - 1] ^ a, h);
	h = nl_mix(h, 0x8ebc6af09c88c6e3u) >> 1;
	return h ? h : 1;
}

/* --- sizes ------------------------------------------------------------------------------------- */

/*
 * How many states may be entered: two thirds. With more, too many lines would be full, and whoever
 * looks in a full one has to wait for the next. Four fifths where the table is nearly all that is
 * stored.
 */
ALWAYS_INLINE uint64_t nl_index_room(const struct nl_index *x, uint64_t entries)
{
	return x->fingerprints ? entries / 5 * 4 : entries / 3 * 2;
}

/*
 * The next larger size: twice as large, which moves each entry once or twice. Once memory counts,
 * smaller steps, so that little of the table is ever empty; smaller ones still, from the beginning,
 * where the table is nearly all that is stored.
 */
ALWAYS_INLINE uint64_t nl_index_next(const struct nl_index *x, uint64_t entries)
{
	if (x->fingerprints)
		return (entries + entries / 4) / NL_LINE * NL_LINE;
	if (entries < NL_MANY_ENTRIES)
		return 2 * entries;
	return (entries + entries / 2) / NL_LINE * NL_LINE;
}

ALWAYS_INLINE uint64_t nl_index_bytes(uint64_t entries)
{
	return entries * sizeof(uint64_t);
}

/* --- entries ----------------------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t nl_entry(const struct nl_index *x, uint64_t number, uint64_t hash)
{
	return x->fingerprints ? hash : (number + 1) << 32 | (uint32_t)hash;
}

/* NL_NONE for a free one. */
ALWAYS_INLINE uint32_t nl_entry_number(uint64_t entry)
{
	return (uint32_t)(entry >> 32) - 1;
}

/* The entry of a claim; between two on the same state, that of the lower claim is the lower one. */
ALWAYS_INLINE uint64_t nl_claim(const struct nl_index *x, uint64_t count, uint64_t claim,
				uint64_t hash)
{
	if (x->fingerprints)
		return (claim | NL_CLAIM) << 32 | (uint32_t)hash;
	return nl_entry(x, count + claim, hash);
}

/* Whether an entry is a claim, while `count` states have a number. */
ALWAYS_INLINE int nl_is_claim(const struct nl_index *x, uint64_t count, uint64_t entry)
{
	return x->fingerprints ? entry >> 63 != 0 : nl_entry_number(entry) >= count;
}

ALWAYS_INLINE uint32_t nl_claimed(const struct nl_index *x, uint64_t count, uint64_t entry)
{
	if (x->fingerprints)
		return (uint32_t)(entry >> 32) & ~NL_CLAIM;
	return (uint32_t)(nl_entry_number(entry) - count);
}

/* Whether it may be the entry of a state with this hash. */
ALWAYS_INLINE int nl_entry_fits(uint64_t entry, uint64_t hash)
{
	return (uint32_t)entry == (uint32_t)hash;
}

ALWAYS_INLINE int nl_entry_is(const struct nl_index *x, const struct nl_store *states,
			      uint64_t entry, const word *s, uint64_t hash, unsigned words)
{
	if (x->fingerprints)
		return entry == hash;
	return nl_entry_fits(entry, hash) &&
	       nl_store_equal(states, nl_entry_number(entry), s, words);
}

/* The first entry where a state may be: the beginning of a cache line. */
ALWAYS_INLINE uint64_t nl_index_home(const struct nl_index *x, uint64_t hash)
{
	return ((uint32_t)hash * (x->entries / NL_LINE) >> 32) * NL_LINE;
}

ALWAYS_INLINE uint64_t nl_index_after(const struct nl_index *x, uint64_t at)
{
	return at + 1 < x->entries ? at + 1 : 0;
}

/*
 * Which entries of a line fit or are free, a bit each. One that is not free may be among them if its
 * key is 0: whoever looks there sees that it is another state's.
 */
ALWAYS_INLINE unsigned nl_index_hits(const uint64_t *line, uint64_t hash)
{
	unsigned hits = 0;

#ifdef __SSE2__
	const __m128i key = _mm_set1_epi32((int)(uint32_t)hash), none = _mm_setzero_si128();

	for (unsigned i = 0; i < NL_LINE; i += 4) {
		const __m128 low = _mm_castsi128_ps(_mm_loadu_si128((const void *)(line + i)));
		const __m128 high = _mm_castsi128_ps(_mm_loadu_si128((const void *)(line + i + 2)));
		const __m128i keys = _mm_castps_si128(_mm_shuffle_ps(low, high, 0x88));
		const __m128i fit = _mm_or_si128(_mm_cmpeq_epi32(keys, key), _mm_cmpeq_epi32(keys, none));

		hits |= (unsigned)_mm_movemask_ps(_mm_castsi128_ps(fit)) << i;
	}
#else
	for (unsigned i = 0; i < NL_LINE; i++) {
		const uint64_t entry = __atomic_load_n(&line[i], __ATOMIC_RELAXED);

		hits |= (unsigned)(nl_entry_fits(entry, hash) | !(uint32_t)entry) << i;
	}
#endif
	return hits;
}

/* The first entry that fits or is free; a line at a time, without a branch for each entry. */
ALWAYS_INLINE uint64_t nl_index_look(const struct nl_index *x, uint64_t hash)
{
	uint64_t at = nl_index_home(x, hash);

	for (;;) {
		const unsigned hits = nl_index_hits(x->table + at, hash);

		if (hits)
			return at + (unsigned)__builtin_ctz(hits);
		at = at + NL_LINE < x->entries ? at + NL_LINE : 0;
	}
}

/* From there on, where the state is or the free entry where it belongs. */
ALWAYS_INLINE uint64_t nl_index_find_from(const struct nl_index *x, const struct nl_store *states,
					  uint64_t at, const word *s, uint64_t hash, unsigned words)
{
	for (;; at = nl_index_after(x, at)) {
		const uint64_t entry = x->table[at];

		if (!entry || nl_entry_is(x, states, entry, s, hash, words))
			return at;
	}
}

ALWAYS_INLINE void nl_index_prefetch(const struct nl_index *x, uint64_t hash)
{
	__builtin_prefetch(x->table + nl_index_home(x, hash), 1);
}

/* Prefetches the state of an entry, or the first one: a branch would depend on what is as good as
 * random. */
ALWAYS_INLINE void nl_index_prefetch_state(const struct nl_index *x, const struct nl_store *states,
					   uint64_t at)
{
	const uint64_t entry = __atomic_load_n(&x->table[at], __ATOMIC_RELAXED);

	if (!x->fingerprints)
		__builtin_prefetch(nl_store_at(states, nl_entry_number(entry) & -(uint64_t)!!entry));
}

/* --- growing ----------------------------------------------------------------------------------- */

/* Enters what is known not to be there. */
ALWAYS_INLINE void nl_index_enter(const struct nl_index *x, uint64_t entry)
{
	uint64_t at = nl_index_home(x, entry);

	while (x->table[at])
		at = nl_index_after(x, at);
	x->table[at] = entry;
}

static inline int nl_index_open(struct nl_index *x, uint64_t most_entries)
{
	x->entries = NL_FIRST_ENTRIES;
	x->most_entries = most_entries;
	x->table = nl_reserve(nl_index_bytes(most_entries));
	return x->table != NULL;
}

static inline void nl_index_close(struct nl_index *x)
{
	nl_release(x->table, nl_index_bytes(x->most_entries));
	x->table = NULL;
}

/*
 * Growing goes down through the table zone by zone: a zone is so high that what is in its own place
 * there belongs above it in the larger table, where all is in place already. Each thread moves its
 * share of a zone to places of its own. The few that belong to others' places, or find none, and the
 * lowest zone are put aside and entered last.
 */
struct nl_growth {
	uint64_t before; /* entries of the smaller table */
	uint64_t *aside, count;
};

/* Makes room for more; 0 if there is no address space for what is put aside. */
static inline int nl_growth_begin(struct nl_growth *g, struct nl_index *x, uint64_t entries)
{
	g->before = x->entries;
	g->count = 0;
	g->aside = nl_reserve(nl_index_bytes(x->entries));
	if (g->aside)
		x->entries = entries;
	return g->aside != NULL;
}

/* Where the zone that ends with `end` begins; 0 for the lowest one, all of which is put aside. */
static inline uint64_t nl_growth_zone(const struct nl_growth *g, const struct nl_index *x,
				      uint64_t end)
{
	const uint64_t lines = x->entries / NL_LINE;
	const __uint128_t least = (__uint128_t)(end / NL_LINE) * (g->before / NL_LINE) + lines - 1;

	const uint64_t begin = (uint64_t)(least / lines) * NL_LINE;

	/* A table that is hardly larger than before has no zones. */
	return end <= NL_FIRST_ENTRIES || begin >= end ? 0 : begin;
}

/* The first line that only entries whose own place was at `from` or after it belong to. */
static inline uint64_t nl_growth_goal(const struct nl_growth *g, const struct nl_index *x,
				      uint64_t from)
{
	return (from / NL_LINE * (x->entries / NL_LINE) / (g->before / NL_LINE) + 1) * NL_LINE;
}

/*
 * Puts an entry into the first free place from its own on, if that is between `low` and `high`, or
 * aside; returns the place, or `high`.
 */
static inline uint64_t nl_growth_put(struct nl_growth *g, const struct nl_index *x, uint64_t entry,
				     uint64_t low, uint64_t high)
{
	uint64_t at = nl_index_home(x, entry);

	if (at < low)
		at = high;
	while (at < high && x->table[at])
		at++;
	if (at < high) {
		x->table[at] = entry;
		return at;
	}
	g->aside[__atomic_fetch_add(&g->count, 1, __ATOMIC_RELAXED)] = entry;
	return high;
}

/*
 * Moves some lines of a zone. Nearly all belong to the few lines from `first` on; how much of these
 * is taken is counted, because reading what has just been written there would take longer.
 */
static inline void nl_growth_block(struct nl_growth *g, const struct nl_index *x, uint64_t from,
				   uint64_t to, uint64_t low, uint64_t high)
{
	const uint64_t begin = nl_growth_goal(g, x, from) - NL_LINE, end = nl_growth_goal(g, x, to);
	const uint64_t first = (begin < low ? low : begin) / NL_LINE;
	const uint64_t after = (end < high ? end : high) / NL_LINE;
	const uint64_t all = after > first ? after - first : 0;
	const uint64_t lines = all < NL_GROWTH_GOALS ? all : NL_GROWTH_GOALS;
	uint8_t taken[NL_GROWTH_GOALS];

	for (uint64_t l = 0; l < lines; l++)
		for (taken[l] = 0; taken[l] < NL_LINE && x->table[(first + l) * NL_LINE + taken[l]];)
			taken[l]++;
	for (uint64_t i = from; i < to; i++) {
		const uint64_t entry = x->table[i];
		const uint64_t l = nl_index_home(x, entry) / NL_LINE - first;
		uint64_t at;

		if (!entry)
			continue;
		x->table[i] = 0;
		if (l < lines && taken[l] < NL_LINE) {
			x->table[(first + l) * NL_LINE + taken[l]++] = entry;
			continue;
		}
		at = nl_growth_put(g, x, entry, low, high) / NL_LINE - first;
		if (at < lines)
			taken[at]++;
	}
}

/*
 * Moves a part of a zone to the entries from `low` to `high`, where nobody else is at work. What
 * belongs elsewhere, or finds no place there, is put aside.
 */
static inline void nl_growth_move(struct nl_growth *g, const struct nl_index *x, uint64_t from,
				  uint64_t to, uint64_t low, uint64_t high)
{
	const uint64_t block = NL_GROWTH_LINES * NL_LINE;

	for (; from < to; from += block)
		nl_growth_block(g, x, from, to - from < block ? to : from + block, low, high);
}

/* Moves the share of the zone from `begin` to `end` that falls to `me` of so many threads. */
static inline void nl_growth_share(struct nl_growth *g, const struct nl_index *x, uint64_t begin,
				   uint64_t end, uint32_t me, uint32_t threads)
{
	const uint64_t lines = (end - begin) / NL_LINE;
	const uint64_t from = begin + lines * me / threads * NL_LINE;
	const uint64_t to = begin + lines * (me + 1) / threads * NL_LINE;
	const uint64_t low = me ? nl_growth_goal(g, x, from) : end;
	const uint64_t high = me + 1 < threads ? nl_growth_goal(g, x, to) : x->entries;

	nl_growth_move(g, x, from, to, low < end ? end : low, begin ? high : 0);
}

static inline void nl_growth_end(struct nl_growth *g, const struct nl_index *x)
{
	for (uint64_t i = 0; i < g->count; i++)
		nl_index_enter(x, g->aside[i]);
	nl_release(g->aside, nl_index_bytes(g->before));
	g->aside = NULL;
}

/* Makes the table as large as said; 0 if there is no address space. */
static inline int nl_index_grow(struct nl_index *x, uint64_t entries)
{
	struct nl_growth g;

	if (!nl_growth_begin(&g, x, entries))
		return 0;
	for (uint64_t end = g.before, begin; end; end = begin) {
		begin = nl_growth_zone(&g, x, end);
		nl_growth_share(&g, x, begin, end, 0, 1);
	}
	nl_growth_end(&g, x);
	return 1;
}

#endif
