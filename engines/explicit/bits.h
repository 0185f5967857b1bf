/* Sets of numbers, one bit each. */
#ifndef NOLOCK_BITS_H
#define NOLOCK_BITS_H

#include "memory.h"

ALWAYS_INLINE int has(const uint64_t *set, uint64_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

ALWAYS_INLINE void put(uint64_t *set, uint64_t i)
{
	set[i / 64] |= 1ull << (i % 64);
}

ALWAYS_INLINE void drop(uint64_t *set, uint64_t i)
{
	set[i / 64] &= ~(1ull << (i % 64));
}

#endif
