/*
 * How many random memory accesses a second one thread gets, in a table that no cache holds; and at
 * the end how long a cache line takes to another core and back.
 *
 * `apart`: the addresses are known beforehand, so that many accesses are under way at once; this is
 * what the explorer's prefetching can get at best. `chained`: each address depends on the value that
 * was read before, so that one access waits for the other.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

enum { BATCH = 256, LINE = 8 /* words of a cache line */ };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 24;
}

static double apart(const uint64_t *table, uint64_t lines, double seconds, uint64_t *sum)
{
	const double begin = now();
	uint64_t at[BATCH], seed = 1, done = 0;
	double passed;

	do {
		for (int i = 0; i < BATCH; i++) {
			at[i] = next(&seed) % lines * LINE;
			__builtin_prefetch(table + at[i]);
		}
		for (int i = 0; i < BATCH; i++)
			*sum += table[at[i]];
		done += BATCH;
		passed = now() - begin;
	} while (passed < seconds);
	return (double)done / passed;
}

static double chained(const uint64_t *table, uint64_t lines, double seconds, uint64_t *sum)
{
	const double begin = now();
	uint64_t seed = 1, done = 0;
	double passed;

	do {
		for (int i = 0; i < BATCH; i++) {
			seed += table[next(&seed) % lines * LINE];
		}
		done += BATCH;
		passed = now() - begin;
	} while (passed < seconds);
	*sum += seed;
	return (double)done / passed;
}

/* Both rates, each measured for so many seconds; 0 if there is no memory. */
int memory_rate(uint64_t bytes, double seconds, double *rates)
{
	const uint64_t lines = bytes / (LINE * sizeof(uint64_t));
	uint64_t *table = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint64_t seen;
	uint64_t sum = 0;

	if (table == MAP_FAILED)
		return 0;
#ifdef MADV_HUGEPAGE
	madvise(table, bytes, MADV_HUGEPAGE);
#endif
	for (uint64_t i = 0; i < lines; i++)
		table[i * LINE] = i;
	rates[0] = apart(table, lines, seconds, &sum);
	rates[1] = chained(table, lines, seconds, &sum);
	seen = sum; /* else the compiler could leave it all out */
	(void)seen;
	munmap(table, bytes);
	return 1;
}

/* --- between two cores ------------------------------------------------------------------------- */

enum { THERE, BACK, ENOUGH };

static int where __attribute__((aligned(128)));

/* Binds a thread to one of the cores that it may use: the n-th, counted from 0. */
static int bind(pthread_t thread, int n)
{
#ifdef __linux__
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all))
		return 0;
	CPU_ZERO(&one);
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &all) && !n--) {
			CPU_SET(core, &one);
			return !pthread_setaffinity_np(thread, sizeof(one), &one);
		}
#else
	(void)thread;
	(void)n;
#endif
	return 0;
}

static void *send_back(void *unused)
{
	int seen;

	while ((seen = __atomic_load_n(&where, __ATOMIC_ACQUIRE)) != ENOUGH)
		if (seen == THERE)
			__atomic_store_n(&where, BACK, __ATOMIC_RELEASE);
	return unused;
}

static double trip(double seconds)
{
	const double begin = now();
	uint64_t trips = 0;
	double passed;

	do {
		for (int i = 0; i < BATCH; i++) {
			__atomic_store_n(&where, THERE, __ATOMIC_RELEASE);
			while (__atomic_load_n(&where, __ATOMIC_ACQUIRE) != BACK)
				;
		}
		trips += BATCH;
		passed = now() - begin;
	} while (passed < seconds);
	return passed / (double)trips;
}

static void *measure(void *seconds)
{
	*(double *)seconds = trip(*(double *)seconds);
	__atomic_store_n(&where, ENOUGH, __ATOMIC_RELEASE);
	return seconds;
}

/* Seconds for a cache line to another core and back; 0 if there is none. */
double line_trip(double seconds)
{
	pthread_t here, there;
	int bound;

	where = BACK;
	if (pthread_create(&there, 0, send_back, 0))
		return 0;
	if (!bind(there, 0) || pthread_create(&here, 0, measure, &seconds)) {
		__atomic_store_n(&where, ENOUGH, __ATOMIC_RELEASE);
		pthread_join(there, 0);
		return 0;
	}
	bound = bind(here, 1);
	pthread_join(here, 0);
	pthread_join(there, 0);
	return bound ? seconds : 0;
}
