/*
 * What is done with one piece of a round; threads.c says in which order.
 */
#include "sharing.h"

/* Whether two slots hold the same state. */
ALWAYS_INLINE int same_state(const struct nl_sharing *p, uint64_t a, uint64_t b, unsigned words)
{
	const uint64_t stride = p->pieces->b.most_slots;
	const struct nl_batch *left = &p->pieces[a / stride].b, *right = &p->pieces[b / stride].b;

	if (left->hashes[a % stride] != right->hashes[b % stride])
		return 0;
	return p->x->index.fingerprints || !memcmp(left->slots + a % stride * words,
						   right->slots + b % stride * words,
						   words * sizeof(word));
}

/*
 * Looks for the state of a slot from an entry on. It gets the state's number if it has one; else the
 * lowest slot with that state has the claim in the end. Returns the place of the entry.
 */
ALWAYS_INLINE uint64_t look_up_one(struct nl_sharing *p, struct piece *piece, uint32_t i,
				   uint64_t slot, unsigned words)
{
	const struct nl_search *x = p->x;
	const struct nl_batch *b = &piece->b;
	const uint64_t hash = b->hashes[i], mine = nl_claim(&x->index, x->count, slot, hash);

	for (uint64_t at = b->places[i];; at = nl_index_after(&x->index, at)) {
		uint64_t *to = &x->index.table[at];
		uint64_t entry = __atomic_load_n(to, __ATOMIC_ACQUIRE);

		if (!entry && __atomic_compare_exchange_n(to, &entry, mine, 0, __ATOMIC_ACQ_REL,
							  __ATOMIC_ACQUIRE))
			return at;
		if (!nl_entry_fits(entry, hash))
			continue;
		if (!nl_is_claim(&x->index, x->count, entry)) {
			if (!nl_entry_is(&x->index, &x->states, entry, b->slots + (uint64_t)i * words,
					 hash, words))
				continue;
			piece->to[i] = x->index.fingerprints ? 0 : nl_entry_number(entry);
			return at;
		}
		if (!same_state(p, nl_claim_slot(&x->index, x->count, entry), slot, words))
			continue;
		while (entry > mine && !__atomic_compare_exchange_n(to, &entry, mine, 0,
								    __ATOMIC_ACQ_REL,
								    __ATOMIC_ACQUIRE))
			;
		return at;
	}
}

ALWAYS_INLINE void look_up_of(struct nl_sharing *p, uint32_t k, unsigned words)
{
	const struct nl_search *x = p->x;
	struct piece *piece = &p->pieces[k];
	const struct nl_batch *b = &piece->b;

	for (uint32_t i = 0; i < b->count; i++) {
		b->hashes[i] = nl_hash(b->slots + (uint64_t)i * words, words);
		nl_index_prefetch(&x->index, b->hashes[i]);
	}
	for (uint32_t i = 0; i < b->count; i++) {
		b->places[i] = nl_index_look(&x->index, b->hashes[i]);
		nl_index_prefetch_state(&x->index, &x->states, b->places[i]);
		piece->to[i] = NL_NONE;
	}
	for (uint32_t i = 0; i < b->count; i++)
		b->places[i] = look_up_one(p, piece, i, nl_first_slot(p, k) + i, words);
}

/* Expands the states and looks their successors up. */
void nl_look_up(struct nl_sharing *p, struct nl_tally *t, uint32_t k)
{
	struct piece *piece = &p->pieces[k];

	nl_expand(p->x, t, &piece->b, piece->b.first + piece->b.states);
	BY_WORDS(look_up_of, p, k)
}

/*
 * Lists the slots whose own claims are in the index. Which these are is as good as random, so no
 * branch depends on it.
 */
static void list_fresh(const struct nl_sharing *p, struct piece *piece, uint32_t first)
{
	const struct nl_search *x = p->x;
	const struct nl_batch *b = &piece->b;
	uint32_t slot = 0, count = 0;

	for (uint32_t i = 0; i < b->states; i++) {
		for (; slot < b->ends[i]; slot++) {
			const uint64_t entry = x->index.table[b->places[slot]];
			const uint32_t by = nl_claim_slot(&x->index, x->count, entry);

			piece->fresh[count] = slot;
			count += (piece->to[slot] == NL_NONE) & (by == first + slot);
		}
		piece->found[i] = count;
	}
	piece->fresh_count = count;
}

static uint32_t add_edges(const struct nl_search *x, const struct piece *piece)
{
	const struct nl_batch *b = &piece->b;
	uint32_t slot = 0, edges = 0;

	for (uint32_t i = 0; i < b->states; i++) {
		const uint32_t from = (uint32_t)b->first + i;

		for (; slot < b->ends[i]; slot++)
			if (b->actors[slot])
				edges += (uint32_t)nl_add_edge(&x->nodes[from], from, piece->to[slot]);
	}
	return edges;
}

/* Reads who has the claims, and counts what is new. */
void nl_settle(struct nl_sharing *p, uint32_t k)
{
	struct piece *piece = &p->pieces[k];

	list_fresh(p, piece, (uint32_t)nl_first_slot(p, k));
	piece->edges = p->x->graph ? add_edges(p->x, piece) : 0;
}

/* Gives each piece its numbers; one thread does it for all. */
void nl_number(struct nl_sharing *p)
{
	uint64_t states = p->x->count, edges = p->x->edge_count;

	for (uint32_t k = 0; k < p->count; k++) {
		p->pieces[k].first_number = states;
		p->pieces[k].first_edge = edges;
		states += p->pieces[k].fresh_count;
		edges += p->pieces[k].edges;
	}
}

/* The end marks of a piece's states, a word of them at a time: others write beside them. */
static void mark_ends(const struct nl_search *x, const struct piece *piece)
{
	const struct nl_batch *b = &piece->b;
	uint64_t at = nl_parents_end(b->first, piece->first_number) / 64, marks = 0;

	for (uint32_t i = 0; i < b->states; i++) {
		const uint64_t count = piece->first_number + piece->found[i];
		const uint64_t end = nl_parents_end(b->first + i, count);

		if (end / 64 != at) {
			__atomic_fetch_or(&x->parents[at], marks, __ATOMIC_RELAXED);
			at = end / 64;
			marks = 0;
		}
		marks |= 1ull << (end % 64);
	}
	__atomic_fetch_or(&x->parents[at], marks, __ATOMIC_RELAXED);
}

ALWAYS_INLINE void enter_of(struct nl_sharing *p, uint32_t k, unsigned words)
{
	struct nl_search *x = p->x;
	struct piece *piece = &p->pieces[k];
	const struct nl_batch *b = &piece->b;

	for (uint32_t i = 0; i < piece->fresh_count; i++)
		__builtin_prefetch(&x->index.table[b->places[piece->fresh[i]]], 1);
	for (uint32_t i = 0; i < piece->fresh_count; i++) {
		const uint32_t slot = piece->fresh[i];
		const uint64_t number = piece->first_number + i;

		nl_store_put(&x->states, number, b->slots + (uint64_t)slot * words, words);
		x->index.table[b->places[slot]] = nl_entry(&x->index, number, b->hashes[slot]);
		piece->to[slot] = (uint32_t)number;
	}
	mark_ends(x, piece);
}

/* Stores the states that are new, and turns their claims into entries. */
void nl_enter(struct nl_sharing *p, uint32_t k)
{
	BY_WORDS(enter_of, p, k)
}

/* Now all ends of edges have numbers. */
void nl_write_edges(struct nl_sharing *p, uint32_t k)
{
	const struct piece *piece = &p->pieces[k];
	const struct nl_batch *b = &piece->b;
	uint64_t edge = piece->first_edge;
	uint32_t slot = 0;

	for (uint32_t i = 0; i < b->states; i++) {
		for (; slot < b->ends[i]; slot++) {
			uint32_t to = piece->to[slot];

			if (to == NL_NONE)
				to = nl_entry_number(p->x->index.table[b->places[slot]]);
			if (b->actors[slot] && to != b->first + i)
				p->x->edges[edge++] = to;
		}
	}
}
