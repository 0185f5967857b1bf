/*
 * What is done with one piece of a round; threads.c says in which order.
 */
#include "sharing.h"

/* The piece that a claim is of. */
ALWAYS_INLINE struct piece *piece_of(const struct nl_sharing *p, uint64_t claim)
{
	return &p->pieces[claim >> p->claim_bits];
}

/* Which of that piece's claims it is. */
ALWAYS_INLINE uint64_t place_of(const struct nl_sharing *p, uint64_t claim)
{
	return claim & ((1ull << p->claim_bits) - 1);
}

/* Whether a claim is one on this state. */
ALWAYS_INLINE int claims_state(const struct nl_sharing *p, uint64_t claim, const word *s,
			       uint64_t hash, unsigned words)
{
	const word *what = nl_claim_at(piece_of(p, claim), place_of(p, claim), words);

	return what[NL_HASH] == hash &&
	       (p->x->index.fingerprints || !memcmp(what + NL_STATE, s, words * sizeof(word)));
}

/* What a piece's next claim says. It must be there before the claim is: others may read it. */
ALWAYS_INLINE void write_claim(const struct piece *piece, uint64_t next, const word *s, uint64_t hash,
			       uint64_t place, unsigned words)
{
	word *what = nl_claim_at(piece, next, words);

	what[NL_HASH] = hash;
	what[NL_PLACE] = place;
	memcpy(what + NL_STATE, s, words * sizeof(word));
	piece->lost[next] = 0;
}

/*
 * Puts a claim where there is a later one, unless by then there is an earlier one; what it takes the
 * place of is lost. Whether it was put there.
 */
static int claim_before(const struct nl_sharing *p, uint64_t *to, uint64_t entry, uint64_t mine)
{
	uint64_t other;

	while (!__atomic_compare_exchange_n(to, &entry, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		if (entry < mine)
			return 0;
	other = nl_claimed(&p->x->index, p->x->count, entry);
	piece_of(p, other)->lost[place_of(p, other)] = 1;
	return 1;
}

/*
 * Looks for a state from an entry on. Returns its number if it has one. Else the first piece that has
 * come to it, and there the first time, has the claim in the end; returns where that is, not numbered
 * yet. `claims` are those of the piece so far.
 */
ALWAYS_INLINE uint64_t look_up_one(const struct nl_sharing *p, uint32_t k, uint32_t *claims,
				   uint64_t at, const word *s, uint64_t hash, unsigned words)
{
	const struct nl_search *x = p->x;
	const struct piece *piece = &p->pieces[k];
	const uint64_t mine = nl_claim(&x->index, x->count, nl_first_claim(p, k) + *claims, hash);

	for (;; at = nl_index_after(&x->index, at)) {
		uint64_t *to = &x->index.table[at];
		uint64_t entry = __atomic_load_n(to, __ATOMIC_ACQUIRE);

		if (!entry) {
			write_claim(piece, *claims, s, hash, at, words);
			if (__atomic_compare_exchange_n(to, &entry, mine, 0, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE)) {
				++*claims;
				return NL_UNNUMBERED | at;
			}
		}
		if (!nl_entry_fits(entry, hash))
			continue;
		if (!nl_is_claim(&x->index, x->count, entry)) {
			if (nl_entry_is(&x->index, &x->states, entry, s, hash, words))
				return x->index.fingerprints ? 0 : nl_entry_number(entry);
			continue;
		}
		if (!claims_state(p, nl_claimed(&x->index, x->count, entry), s, hash, words))
			continue;
		if (entry > mine) {
			write_claim(piece, *claims, s, hash, at, words);
			*claims += (uint32_t)claim_before(p, to, entry, mine);
		}
		return NL_UNNUMBERED | at;
	}
}

ALWAYS_INLINE void look_up_of(struct nl_sharing *p, struct nl_batch *b, uint32_t k, unsigned words)
{
	const struct nl_search *x = p->x;
	struct piece *piece = &p->pieces[k];
	uint32_t slot = 0, claims = piece->claims, edges = piece->edges;

	for (uint32_t i = 0; i < b->count; i++) {
		b->places[i] = nl_index_look(&x->index, b->hashes[i]);
		nl_index_prefetch_state(&x->index, &x->states, b->places[i]);
	}
	for (uint32_t i = 0; i < b->states; i++) {
		const uint64_t from = b->first + i;

		for (; slot < b->ends[i]; slot++) {
			const uint64_t to = look_up_one(p, k, &claims, b->places[slot],
							b->slots + (uint64_t)slot * words,
							b->hashes[slot], words);

			if (x->graph && b->actors[slot] && nl_add_edge(&x->nodes[from], from, to))
				piece->to[edges++] = to;
		}
		piece->ends[from - piece->first] = claims;
	}
	piece->claims = claims;
	piece->edges = edges;
}

/* Expands the states and looks their successors up, as many at a time as stay in the cache. */
void nl_look_up(struct nl_sharing *p, struct nl_tally *t, struct nl_batch *b, uint32_t k)
{
	struct piece *piece = &p->pieces[k];
	const uint64_t end = piece->first + piece->count;

	piece->claims = piece->edges = 0;
	for (b->first = piece->first; b->first < end; b->first += b->states) {
		nl_expand(p->x, t, b, end);
		BY_WORDS(look_up_of, p, b, k)
	}
}

/*
 * Lists the claims that stood, and counts them per state. How many a state has is as good as random,
 * so no branch depends on it.
 */
void nl_settle(struct nl_sharing *p, uint32_t k)
{
	struct piece *piece = &p->pieces[k];
	uint32_t count = 0;

	for (uint32_t claim = 0; claim < piece->claims; claim++) {
		piece->fresh[count] = claim;
		piece->before[claim] = count;
		count += !piece->lost[claim];
	}
	piece->before[piece->claims] = piece->fresh_count = count;
	for (uint32_t i = 0; i < piece->count; i++)
		piece->ends[i] = piece->before[piece->ends[i]];
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
	uint64_t at = nl_parents_end(piece->first, piece->first_number) / 64, marks = 0;

	for (uint32_t i = 0; i < piece->count; i++) {
		const uint64_t count = piece->first_number + piece->ends[i];
		const uint64_t end = nl_parents_end(piece->first + i, count);

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
	const struct piece *piece = &p->pieces[k];

	for (uint32_t i = 0; i < piece->fresh_count; i++) {
		const word *what = nl_claim_at(piece, piece->fresh[i], words);

		__builtin_prefetch(&x->index.table[what[NL_PLACE]], 1);
	}
	for (uint32_t i = 0; i < piece->fresh_count; i++) {
		const word *what = nl_claim_at(piece, piece->fresh[i], words);
		const uint64_t number = piece->first_number + i;

		nl_store_put(&x->states, number, what + NL_STATE, words);
		x->index.table[what[NL_PLACE]] = nl_entry(&x->index, number, what[NL_HASH]);
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
	uint32_t *edges = p->x->edges + piece->first_edge;

	for (uint32_t i = 0; i < piece->edges; i++) {
		const uint64_t to = piece->to[i];

		edges[i] = to & NL_UNNUMBERED ? nl_entry_number(p->x->index.table[to & ~NL_UNNUMBERED])
					      : (uint32_t)to;
	}
}
