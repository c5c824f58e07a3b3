#include "lib/conf/conf_int.h"

#define WORD_MAX 64

/* Optimal string alignment: insert, delete, replace, swap of neighbours. More than `limit` gives limit + 1. */
unsigned
conf_distance(struct str a, struct str b, unsigned limit)
{
	unsigned row[3][WORD_MAX + 1];

	if (a.len > WORD_MAX || b.len > WORD_MAX)
		return limit + 1;
	for (unsigned j = 0; j <= b.len; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		now[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			char x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);
			unsigned d = PH_MIN(up[j], now[j - 1]) + 1;
			d = PH_MIN(d, up[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) &&
			    y == ascii_lower(a.p[i - 2]))
				d = PH_MIN(d, up2[j - 2] + 1);
			now[j] = d;
		}
	}
	return PH_MIN(row[a.len % 3][b.len], limit + 1);
}

struct nearest {
	struct str word;
	const char *best;
	unsigned distance;
};

static void
offer(struct nearest *n, const char *candidate)
{
	unsigned d = conf_distance(n->word, str_of(candidate), n->distance);

	if (d < n->distance) {
		n->distance = d;
		n->best = candidate;
	}
}

static void
offer_all(struct nearest *n, enum conf_block b, bool is_tag)
{
	const struct conf_alias *a;

	if (is_tag) {
		for (unsigned i = 1; i < CONF_N_BLOCKS; i++)
			if (conf_block_has(b, (enum conf_block)i))
				offer(n, conf_block_row((enum conf_block)i)->tag);
		return;
	}
	for (enum conf_key k = CONF_NONE; (k = conf_next_key(b, k)) != CONF_NONE;)
		offer(n, conf_row(k)->name);
	for (size_t i = 0; (a = conf_alias_at(i)) != NULL; i++)
		if (a->block == b)
			offer(n, a->name);
	offer(n, "include");
}

/* The blocks in which the very word would be right. */
static void
elsewhere(struct str word, bool is_tag, char *text, size_t size)
{
	size_t n = 0;
	bool is_global = false;

	text[0] = '\0';
	for (unsigned i = 0; i < CONF_N_BLOCKS && n < size - 100 && !is_tag; i++) {
		enum conf_block b = (enum conf_block)i;
		if (conf_row_find(b, word) == NULL && conf_alias_find(b, word) == NULL)
			continue;
		if (i == CONF_BLOCK_GLOBAL)
			is_global = true;
		else
			n += (size_t)snprintf(text + n, size - n, "%s<%s>", n == 0 ? "in " : ", ",
			    conf_block_row(b)->tag);
	}
	if (is_global)
		snprintf(text + n, size - n, "%soutside of blocks", n == 0 ? "" : " or ");
}

/* No word of this block is near: one of another may be. */
static const char *
hint_elsewhere(struct nearest *n, char *hint, size_t size)
{
	enum conf_block where = CONF_BLOCK_GLOBAL;

	/* among so many words something is always near to a short one */
	n->distance = PH_MIN(n->distance, (unsigned)n->word.len / 3 + 1);
	for (unsigned i = 0; i < CONF_N_BLOCKS; i++) {
		const char *before = n->best;
		offer_all(n, (enum conf_block)i, false);
		if (n->best != before)
			where = (enum conf_block)i;
	}
	if (n->best == NULL)
		return "";
	if (where == CONF_BLOCK_GLOBAL)
		snprintf(hint, size, "; did you mean \"%s\", outside of blocks?", n->best);
	else
		snprintf(hint, size, "; did you mean \"%s\" in <%s>?", n->best,
		    conf_block_row(where)->tag);
	return hint;
}

const char *
conf_hint(enum conf_block b, struct str word, bool is_tag)
{
	static char hint[512];
	char where[400];
	struct nearest n = {
	    .word = word, .distance = (unsigned)PH_MIN(word.len / 3 + 2, (size_t)6)};

	elsewhere(word, is_tag, where, sizeof where);
	if (where[0] != '\0') {
		snprintf(hint, sizeof hint, "; it belongs %s", where);
		return hint;
	}
	offer_all(&n, b, is_tag);
	if (n.best == NULL && !is_tag)
		return hint_elsewhere(&n, hint, sizeof hint);
	if (n.best == NULL)
		return "";
	snprintf(hint, sizeof hint, "; did you mean %s%s%s?", is_tag ? "<" : "\"", n.best,
	    is_tag ? ">" : "\"");
	return hint;
}
