/*
 * The index from packed states to their numbers: an open-addressing table of 64-bit entries, number
 * + 1 in the upper half, 32 bits of the hash (the tag) in the lower. The slot is given by the tag's
 * top bits, so growing reads the old table from front to back and writes the new one likewise.
 *
 * Functions take the number of words of a state as an argument; called with a constant, they are
 * compiled for it.
 */
#ifndef NOLOCK_INDEX_H
#define NOLOCK_INDEX_H

#include "explore.h"

#include <stddef.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum { MAX_TABLE_BITS = 32 };

struct nl_index {
	uint64_t *table;
	unsigned bits;
};

/* --- memory that is reserved now and used when touched ----------------------------------------- */

static inline void *nl_reserve(uint64_t bytes)
{
	void *at = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	/* Random access to gigabytes: without large pages most of the time goes to the TLB. */
	if (bytes >= (4u << 20))
		madvise(at, bytes, MADV_HUGEPAGE);
#endif
	return at;
}

static inline void nl_release(void *at, uint64_t bytes)
{
	if (at)
		munmap(at, bytes ? bytes : 1);
}

/* --- hashing and comparing ------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t nl_mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* 32 good bits of a state. Two states with the same bits cost a comparison, never a state. */
ALWAYS_INLINE uint32_t nl_hash(const word *s, unsigned words)
{
	uint64_t h = 0x9e3779b97f4a7c15u;

	for (unsigned i = 0; i < words; i++)
		h = nl_mix(s[i] ^ h, 0xa0761d6478bd642fu + 2 * 0xe7037ed1a0b428dbu * i);
	return (uint32_t)(nl_mix(h, 0x8ebc6af09c88c6e3u) >> 16);
}

ALWAYS_INLINE int nl_equal(const word *a, const word *b, unsigned words)
{
	word differ = 0;

	for (unsigned i = 0; i < words; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

/* --- entries --------------------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t nl_entry(uint32_t number, uint32_t tag)
{
	return ((uint64_t)number + 1) << 32 | tag;
}

ALWAYS_INLINE uint32_t nl_entry_number(uint64_t entry)
{
	return (uint32_t)(entry >> 32) - 1;
}

ALWAYS_INLINE uint64_t nl_index_bytes(const struct nl_index *x)
{
	return sizeof(uint64_t) << x->bits;
}

/* How many states may be entered before it has to grow: three quarters. */
ALWAYS_INLINE uint64_t nl_index_room(const struct nl_index *x)
{
	return (3ull << x->bits) / 4;
}

ALWAYS_INLINE uint64_t nl_index_slot(const struct nl_index *x, uint32_t tag)
{
	return tag >> (32 - x->bits);
}

/* Where the state is, or the free entry where it belongs. */
ALWAYS_INLINE uint64_t *nl_index_find(const struct nl_index *x, const word *states, const word *s,
				      uint32_t tag, unsigned words)
{
	const uint64_t mask = (1ull << x->bits) - 1;
	uint64_t at = nl_index_slot(x, tag);

	for (;; at = (at + 1) & mask) {
		const uint64_t entry = x->table[at];

		if (!entry)
			break;
		if ((uint32_t)entry == tag &&
		    nl_equal(states + (uint64_t)nl_entry_number(entry) * words, s, words))
			break;
	}
	return &x->table[at];
}

ALWAYS_INLINE void nl_index_prefetch(const struct nl_index *x, uint32_t tag)
{
	__builtin_prefetch(x->table + nl_index_slot(x, tag), 1);
}

/* Prefetches the state whose tag matches first; no more than a guess. */
ALWAYS_INLINE void nl_index_prefetch_match(const struct nl_index *x, const word *states,
					   uint32_t tag, unsigned words)
{
	const uint64_t mask = (1ull << x->bits) - 1;
	uint64_t at = nl_index_slot(x, tag);

	for (; x->table[at]; at = (at + 1) & mask) {
		if ((uint32_t)x->table[at] == tag) {
			__builtin_prefetch(states + (uint64_t)nl_entry_number(x->table[at]) * words);
			return;
		}
	}
}

/* Doubles the table. The part of the old one that has been read is given back at once. */
static inline int nl_index_grow(struct nl_index *x)
{
	const unsigned bits = x->bits + 1;
	const uint64_t old_size = 1ull << x->bits, mask = (1ull << bits) - 1;
	const uint64_t piece = 1u << 18;
	uint64_t *old = x->table, *new;

	if (bits > MAX_TABLE_BITS)
		return 0;
	new = nl_reserve(sizeof(uint64_t) << bits);
	if (!new)
		return 0;
	for (uint64_t i = 0; i < old_size; i++) {
		if (old[i]) {
			uint64_t at = (uint32_t)old[i] >> (32 - bits);

			while (new[at])
				at = (at + 1) & mask;
			new[at] = old[i];
		}
		if ((i + 1) % piece == 0)
			madvise(old + i + 1 - piece, piece * sizeof(*old), MADV_DONTNEED);
	}
	nl_release(old, sizeof(uint64_t) << x->bits);
	x->table = new;
	x->bits = bits;
	return 1;
}

#endif
