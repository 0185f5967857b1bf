/*
 * Memory that is reserved once, far larger than needed, and gets real pages only where it is
 * touched, or a little ahead of that. So arrays never move, and what a search takes is what it has
 * stored.
 */
#ifndef NOLOCK_MEMORY_H
#define NOLOCK_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* What is given back is so large: a huge page that is given back in parts is split first. */
#define NL_HUGE_PAGE (2ull << 20)

#define NL_IN_SMALL_PAGES (16ull << 20)

/* Large pages from byte `small` on. */
static inline void *nl_reserve_from(uint64_t bytes, uint64_t small)
{
	void *at = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	if (bytes >= small + 2 * NL_HUGE_PAGE)
		madvise((uint8_t *)at + small, bytes - small, MADV_HUGEPAGE);
#endif
	return at;
}

/* For random access: without large pages most of the time goes to the TLB. */
static inline void *nl_reserve(uint64_t bytes)
{
	return nl_reserve_from(bytes, 0);
}

/*
 * For what is written from its beginning to its end: a small page is still in the cache after it has
 * been cleared, a large one is not. Where there are many, clearing large ones takes less time.
 */
static inline void *nl_reserve_in_order(uint64_t bytes)
{
	return nl_reserve_from(bytes, NL_IN_SMALL_PAGES);
}

/* Makes the pages of these bytes, many at a time, where the kernel can (Linux 5.14). */
static inline void nl_populate(void *at, uint64_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	madvise(at, bytes, MADV_POPULATE_WRITE);
#else
	(void)at;
	(void)bytes;
#endif
}

static inline void nl_release(void *at, uint64_t bytes)
{
	if (at)
		munmap(at, bytes ? bytes : 1);
}

/*
 * Gives back the pages before byte `end`, of which those before byte `begin` were given back
 * earlier; returns how far that went: to the last whole huge page.
 */
static inline uint64_t nl_give_back(void *at, uint64_t begin, uint64_t end)
{
	const uint64_t base = (uint64_t)at, until = (base + end) & ~(NL_HUGE_PAGE - 1);

	if (until <= base + begin)
		return begin;
	madvise((uint8_t *)at + begin, until - base - begin, MADV_DONTNEED);
	return until - base;
}

/* Two cache lines: some processors fetch them in pairs. */
#define NL_OWN_LINES 128

/*
 * Zeros on cache lines of their own, for free(). What one thread writes for each state must not be on
 * a line that another one reads: each write would take the line away from it.
 */
static inline void *nl_own_lines(uint64_t items, uint64_t bytes)
{
	const uint64_t size = (items * bytes / NL_OWN_LINES + 1) * NL_OWN_LINES;
	void *at = aligned_alloc(NL_OWN_LINES, size);

	return at ? memset(at, 0, size) : NULL;
}

#endif
