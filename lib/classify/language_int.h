/* The automaton: shared by its maker and who walks it. */
#ifndef PH_CLASSIFY_LANGUAGE_INT_H
#define PH_CLASSIFY_LANGUAGE_INT_H

#include "lib/classify/language.h"

#define LANGUAGE_MAX_NODES 6000u

enum node_kind {
	NODE_NEVER, /* node 0, too: no edge */
	NODE_PASS,
	NODE_SPLIT, /* a and b */
	NODE_BYTE,  /* a, by one of `set` */
	NODE_FOUND,
	NODE_BEGIN,    /* ^ */
	NODE_END,      /* $: the end */
	NODE_NEAR_END, /* $: the end, or before a newline */
	NODE_BOUNDARY, /* \b */
	NODE_NO_BOUNDARY,
	NODE_WORD, /* LANGUAGE_WORDS */
};
struct byte_set {
	uint8_t bits[32];
};
struct node {
	uint8_t kind;
	uint16_t a, b; /* 0: none */
	struct byte_set set;
};
struct language {
	struct node *nodes;
	uint32_t n;
	uint16_t start, found;
	unsigned kind;
};

static inline bool
byte_set_has(const struct byte_set *s, unsigned c)
{
	return (s->bits[c / 8] >> (c % 8) & 1) != 0;
}

/* language_set.c: [...], \d and the like */
void byte_set_add(struct byte_set *s, unsigned from, unsigned to);
void byte_set_fold(struct byte_set *s);
void byte_set_negate(struct byte_set *s);
void byte_set_merge(struct byte_set *s, const struct byte_set *other);
/* \d \w \s \h \v and their opposites. False: it is none of these. */
bool byte_set_of_escape(char c, struct byte_set *s);
/* One byte that is written \n, \x41 or \.: from behind the backslash on. -1: it is none; else *i is behind it. */
int byte_of_escape(struct str s, size_t *i);
/* From behind the "[" on. False: not known; else *i is behind the "]". */
bool byte_set_of_class(struct str s, size_t *i, struct byte_set *set);

#endif
