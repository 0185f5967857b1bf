/*
 * The states, one after the other in the order in which they were found. Of the last word of a
 * state only the bytes that hold something are kept, so states begin at any address.
 *
 * Functions take the number of words of a state as an argument; called with a constant, they are
 * compiled for it.
 */
#ifndef NOLOCK_STORE_H
#define NOLOCK_STORE_H

#include "explore.h"
#include "memory.h"

#include <string.h>

struct nl_store {
	uint8_t *at;
	uint32_t bytes; /* of a state */
	word last;      /* the bits of its last word that are kept */
	uint64_t populated, reserved; /* bytes */
};

#define NL_POPULATED_AT_ONCE (128ull << 10)

/* A store for states of so many bytes; reading a last word may touch 7 bytes more. */
static inline int nl_store_open(struct nl_store *x, uint64_t capacity, uint32_t bytes)
{
	const uint32_t whole = nl_model.words * (uint32_t)sizeof(word);

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	bytes = whole;
#endif
	x->bytes = bytes;
	x->last = ~(word)0 >> 8 * (whole - bytes);
	x->populated = 0;
	x->reserved = capacity * bytes + sizeof(word);
	x->at = nl_reserve_in_order(x->reserved);
	return x->at != NULL;
}

/*
 * Makes the pages for so many states, before they are stored. It takes less time than at each first
 * touch; and of several threads the others need not wait for the one that comes to a new page.
 */
static inline void nl_store_populate(struct nl_store *x, uint64_t states)
{
	const uint64_t end = states * x->bytes;
	uint64_t until = x->populated;

	while (until < end && until < x->reserved)
		until += NL_POPULATED_AT_ONCE;
	if (until > x->reserved)
		until = x->reserved;
	if (until > x->populated)
		nl_populate(x->at + x->populated, until - x->populated);
	x->populated = until;
}

ALWAYS_INLINE const uint8_t *nl_store_at(const struct nl_store *x, uint64_t number)
{
	return x->at + number * x->bytes;
}

ALWAYS_INLINE word nl_store_word(const struct nl_store *x, const uint8_t *from, unsigned i,
				 unsigned words)
{
	word w;

	memcpy(&w, from + i * sizeof(w), sizeof(w));
	return i + 1 < words ? w : w & x->last;
}

ALWAYS_INLINE void nl_store_get(const struct nl_store *x, uint64_t number, word *to, unsigned words)
{
	const uint8_t *from = nl_store_at(x, number);

	for (unsigned i = 0; i < words; i++)
		to[i] = nl_store_word(x, from, i, words);
}

/* Writes not a byte more: another thread may be writing the next state. */
ALWAYS_INLINE void nl_store_put(const struct nl_store *x, uint64_t number, const word *s,
				unsigned words)
{
	uint8_t *to = x->at + number * x->bytes, *const end = to + x->bytes;
	word last = s[words - 1];

	for (unsigned i = 0; i + 1 < words; i++, to += sizeof(word))
		memcpy(to, &s[i], sizeof(word));
	if (end - to == sizeof(word)) {
		memcpy(to, &last, sizeof(word));
		return;
	}
	if (words > 1) {
		/* The last eight bytes, the end of the word before among them. */
		const unsigned kept = 8 * (unsigned)(end - to);
		const word both = s[words - 2] >> kept | last << (64 - kept);

		memcpy(end - sizeof(both), &both, sizeof(both));
		return;
	}
	for (; to < end; last >>= 8)
		*to++ = (uint8_t)last;
}

ALWAYS_INLINE int nl_store_equal(const struct nl_store *x, uint64_t number, const word *s,
				 unsigned words)
{
	const uint8_t *from = nl_store_at(x, number);
	word differ = 0;

	for (unsigned i = 0; i < words; i++)
		differ |= nl_store_word(x, from, i, words) ^ s[i];
	return !differ;
}

#endif
