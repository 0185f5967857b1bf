/*
 * Several threads search a level together, and find the same states in the same order as one.
 *
 * A round takes some states of the level, cut into pieces. Whoever takes a piece has it in his cache
 * for the later phases. Nobody begins a phase before all are done with the last:
 *
 *   look up  expand, and look for the successors in the index; a claim is put there on what is new,
 *            and if it comes several times, the first in the order has the claim in the end
 *   settle   count the claims that stood: the new states of each piece
 *   enter    with the sums of the pieces before, each piece knows its numbers
 *   link     write edges; now all their ends have numbers
 *
 * So numbers, first parents and edges are those of explore.c, whatever the number of threads.
 */
#include "sharing.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum {
	PIECE = 512,              /* states, and as few as LEAST_PIECE at the end of a level */
	LEAST_PIECE = 32,
	PIECES_PER_THREAD = 16,
	MOST_CLAIM_BITS = 20,     /* of a piece; with more there is no sharing */
	SPINS = 4096,             /* before a waiting thread lets others have its core */
};

struct thread {
	struct nl_sharing *p;
	struct nl_tally *tally;
	struct nl_batch *batch;
	uint32_t me; /* 0 is the thread that called */
	pthread_t id;
};

/* --- waiting for each other -------------------------------------------------------------------- */

static void rest_a_moment(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Returns when all threads have called it. */
static void meet(struct nl_sharing *p)
{
	const uint32_t meeting = __atomic_load_n(&p->meetings, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&p->waiting, 1, __ATOMIC_ACQ_REL) == p->threads) {
		p->waiting = 0;
		__atomic_store_n(&p->meetings, meeting + 1, __ATOMIC_RELEASE);
		return;
	}
	for (int i = 0; __atomic_load_n(&p->meetings, __ATOMIC_ACQUIRE) == meeting; i++) {
		if (i < SPINS)
			rest_a_moment();
		else
			sched_yield();
	}
}

/*
 * The next piece to do, or NL_NONE. Of so many threads each has every so-manieth piece, and takes
 * another's only when its own are done: so the buffers of a piece mostly stay in one core's cache.
 */
static uint32_t take(struct nl_sharing *p, uint32_t me)
{
	for (uint32_t i = 0; i < p->threads; i++) {
		const uint32_t owner = (me + i) % p->threads;
		const uint32_t before = __atomic_fetch_add(&p->taken[owner].pieces, 1, __ATOMIC_RELAXED);
		const uint64_t piece = (uint64_t)before * p->threads + owner;

		if (piece < p->count)
			return (uint32_t)piece;
	}
	return NL_NONE;
}

/* --- growing the index ------------------------------------------------------------------------- */

/* Every thread moves its share of each zone. */
static void grow_together(struct nl_sharing *p, uint32_t me)
{
	const struct nl_index *x = &p->x->index;

	for (uint64_t end = p->growth.before, begin; end; end = begin) {
		begin = nl_growth_zone(&p->growth, x, end);
		nl_growth_share(&p->growth, x, begin, end, me, p->threads);
		meet(p);
	}
	if (!me)
		nl_growth_end(&p->growth, x);
	meet(p);
}

/* --- rounds ------------------------------------------------------------------------------------ */

/* The most that a round can find. */
static uint64_t most_found(const struct nl_search *x)
{
	const uint64_t states = x->level_end - x->next, most = x->threads * PIECES_PER_THREAD * PIECE;

	return (states < most ? states : most) * nl_model.max_successors;
}

/* Bits for the claims of a piece, which are as many as its successors at most. */
static unsigned claim_bits(void)
{
	unsigned bits = 1;

	while (PIECE * (uint64_t)nl_model.max_successors > 1ull << bits)
		bits++;
	return bits;
}

/* Whether a round is within the limits, and claims can be told from numbers. */
static int has_room_for_round(const struct nl_search *x)
{
	const uint64_t claims = (uint64_t)x->sharing->most_pieces << x->sharing->claim_bits;

	return claims < NL_CLAIM && x->count + claims < NL_NONE && nl_has_room(x, most_found(x));
}

/* Whether a state has so few successors that several threads can search at all. */
int nl_can_share(void)
{
	return claim_bits() <= MOST_CLAIM_BITS;
}

int nl_worth_sharing(const struct nl_search *x)
{
	return x->threads > 1 && x->level_end - x->next >= x->least_shared && has_room_for_round(x);
}

static void finish_round(struct nl_sharing *p)
{
	struct nl_search *x = p->x;
	uint64_t next = x->next;

	p->found_last = 0;
	for (uint32_t k = 0; k < p->count; k++) {
		p->found_last += p->pieces[k].fresh_count;
		x->edge_count += p->pieces[k].edges;
		next += p->pieces[k].count;
	}
	x->count += p->found_last;
	nl_advance(x, next);
	p->count = 0;
	p->rounds++;
}

static void cut(struct nl_sharing *p, uint64_t states)
{
	struct nl_search *x = p->x;
	uint64_t piece = states / p->most_pieces + 1, first = x->next;

	if (piece < LEAST_PIECE && piece < x->least_shared)
		piece = x->least_shared < LEAST_PIECE ? x->least_shared : LEAST_PIECE;
	if (piece > PIECE)
		piece = PIECE;
	for (; p->count < p->most_pieces && first < x->level_end; first += piece) {
		struct piece *next = &p->pieces[p->count++];

		next->first = first;
		next->count = (uint32_t)(x->level_end - first < piece ? x->level_end - first : piece);
	}
	for (uint32_t i = 0; i < p->threads; i++)
		p->taken[i].pieces = 0;
}

/* Ends a round and cuts the next one; without pieces, sharing is over. One thread does it. */
static void plan(struct nl_sharing *p)
{
	struct nl_search *x = p->x;
	uint64_t entries;

	if (p->count)
		finish_round(p);
	if (p->rounds && nl_now() >= p->end)
		return;
	if (x->next == x->level_end) {
		if (x->count == x->level_end)
			return;
		if (!nl_begin_level(x)) {
			p->failed = 1;
			return;
		}
		if (!nl_worth_sharing(x))
			return;
	}
	if (!has_room_for_round(x))
		return;
	entries = nl_index_wanted(x, x->count + most_found(x));
	if (entries > x->index.entries && !nl_growth_begin(&p->growth, &x->index, entries)) {
		p->failed = 1;
		return;
	}
	cut(p, x->level_end - x->next);
}

/* Goes through the pieces that a thread has looked up. */
#define MINE(call)                                                                                 \
	for (uint32_t k = 0; k < p->count; k++)                                                    \
		if (p->pieces[k].by == me)                                                         \
			call;

static void round_of(struct thread *t)
{
	struct nl_sharing *p = t->p;
	const uint32_t me = t->me;
	uint32_t taken;

	while ((taken = take(p, me)) != NL_NONE) {
		p->pieces[taken].by = me;
		if (!taken)
			nl_store_populate(&p->x->states, p->x->count + p->found_last + p->found_last / 8);
		nl_look_up(p, t->tally, t->batch, taken);
	}
	meet(p);
	MINE(nl_settle(p, k))
	meet(p);
	if (!me)
		nl_number(p);
	meet(p);
	MINE(nl_enter(p, k))
	meet(p);
	if (p->x->graph) {
		MINE(nl_write_edges(p, k))
		meet(p);
	}
}

static void work(struct thread *t)
{
	for (;;) {
		if (!t->me)
			plan(t->p);
		meet(t->p);
		if (!t->p->count)
			return;
		if (t->p->growth.aside)
			grow_together(t->p, t->me);
		round_of(t);
	}
}

/* --- beginning and end ------------------------------------------------------------------------- */

static void *work_along(void *argument)
{
	struct thread *thread = argument;

	while (!__atomic_load_n(&thread->p->threads, __ATOMIC_ACQUIRE))
		sched_yield(); /* how many there are is not known yet */
	work(thread);
	return NULL;
}

static int piece_open(struct piece *piece, uint64_t claims)
{
	piece->what = nl_reserve_in_order(claims * (NL_STATE + nl_model.words) * sizeof(word));
	piece->lost = nl_reserve_in_order(claims);
	piece->ends = nl_reserve_in_order(PIECE * sizeof(*piece->ends));
	piece->fresh = nl_reserve_in_order(claims * sizeof(*piece->fresh));
	piece->before = nl_reserve_in_order((claims + 1) * sizeof(*piece->before));
	piece->to = nl_reserve_in_order(claims * sizeof(*piece->to));
	return piece->what && piece->lost && piece->ends && piece->fresh && piece->before && piece->to;
}

static void piece_close(struct piece *piece, uint64_t claims)
{
	nl_release(piece->what, claims * (NL_STATE + nl_model.words) * sizeof(word));
	nl_release(piece->lost, claims);
	nl_release(piece->ends, PIECE * sizeof(*piece->ends));
	nl_release(piece->fresh, claims * sizeof(*piece->fresh));
	nl_release(piece->before, (claims + 1) * sizeof(*piece->before));
	nl_release(piece->to, claims * sizeof(*piece->to));
}

void nl_sharing_close(struct nl_sharing *p)
{
	if (!p)
		return;
	for (uint32_t k = 0; p->pieces && k < p->most_pieces; k++)
		piece_close(&p->pieces[k], 1ull << p->claim_bits);
	for (uint32_t i = 0; p->batches && i < p->x->threads; i++)
		nl_batch_close(&p->batches[i]);
	free(p->pieces);
	free(p->batches);
	free(p->taken);
	free(p);
}

/* All that several threads need, or NULL. */
struct nl_sharing *nl_sharing_open(struct nl_search *x)
{
	struct nl_sharing *p = calloc(1, sizeof(*p));
	int opened;

	if (!p)
		return NULL;
	p->x = x;
	p->most_pieces = x->threads * PIECES_PER_THREAD;
	p->claim_bits = claim_bits();
	p->pieces = nl_own_lines(p->most_pieces, sizeof(*p->pieces));
	p->batches = nl_own_lines(x->threads, sizeof(*p->batches));
	p->taken = nl_own_lines(x->threads, sizeof(*p->taken));
	opened = p->pieces && p->batches && p->taken;
	for (uint32_t k = 0; opened && k < p->most_pieces; k++)
		opened = piece_open(&p->pieces[k], 1ull << p->claim_bits);
	for (uint32_t i = 0; opened && i < x->threads; i++)
		opened = nl_batch_open(&p->batches[i]);
	if (!opened) {
		nl_sharing_close(p);
		return NULL;
	}
	return p;
}

/* Runs as many threads as can be had, this one included, until a plan ends it. */
static void run(struct nl_sharing *p, struct thread *threads)
{
	struct nl_search *x = p->x;
	uint32_t ready = 1, started = 1;

	threads[0] = (struct thread){ .p = p, .tally = x->tally, .batch = p->batches };
	for (; ready < x->threads; ready++) {
		struct nl_tally *tally = nl_tally_new();

		if (!tally)
			break;
		threads[ready] = (struct thread){
			.p = p, .tally = tally, .batch = &p->batches[ready], .me = ready
		};
	}
	while (started < ready &&
	       !pthread_create(&threads[started].id, NULL, work_along, &threads[started]))
		started++;
	__atomic_store_n(&p->threads, started, __ATOMIC_RELEASE);
	work(threads);
	for (uint32_t i = 1; i < started; i++) {
		pthread_join(threads[i].id, NULL);
		nl_tally_add(x->tally, threads[i].tally);
	}
	while (ready > 1)
		nl_tally_free(threads[--ready].tally);
}

int nl_share(struct nl_search *x, uint64_t end)
{
	struct thread *threads = calloc(x->threads, sizeof(*threads));
	struct nl_sharing *p = x->sharing;

	if (!threads)
		return 0;
	p->threads = p->rounds = 0;
	p->failed = 0;
	p->end = end;
	run(p, threads);
	free(threads);
	return !p->failed;
}
