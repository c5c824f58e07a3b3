/*
 * A regex as the set of texts in which it is found, so that it can be proved that there is none, or that each is found
 * by another regex, too. What a finite automaton cannot say (look-arounds, references, atomic groups) is taken for more
 * than it is, or for less, as the proof needs it; so what is proved is true, and what is true is not always proved.
 * The regexes are PCRE's as they are compiled here: bytes, no case.
 */
#ifndef PH_CLASSIFY_LANGUAGE_H
#define PH_CLASSIFY_LANGUAGE_H

#include "lib/base/str.h"

enum language_kind {
	LANGUAGE_AT_LEAST = 1, /* all texts in which it is found, perhaps more */
	LANGUAGE_AT_MOST = 2,  /* none but those */
	LANGUAGE_WORDS =
	    4, /* at a word of a text's first line only; the text ends without a newline */
	LANGUAGE_WHOLE = 8, /* it begins where the text begins */
};
struct language;

/* NULL: nothing can be said of it. `kind`: AT_LEAST or AT_MOST, with the others. Returns owned. */
struct language *language_new(struct str regex, unsigned kind) PH_MUST_CHECK;
void language_free(struct language **l);

enum language_answer {
	LANGUAGE_UNKNOWN,
	LANGUAGE_NONE, /* no text is in all of `in` (which are AT_LEAST) and not in `out` (AT_MOST; NULL: nothing is in it) */
	LANGUAGE_SOME, /* this one may be, a shortest */
};
#define LANGUAGE_MAX_IN 6
/* `text`: NUL-terminated, of LANGUAGE_SOME; a longer one is cut. Bounded in time and memory. */
enum language_answer language_ask(const struct language *const *in, size_t n_in,
    const struct language *out, char *text, size_t size) PH_MUST_CHECK;

/* words in small letters, none of which begins with another, for a finder (finder.h) */
#define LANGUAGE_WORD	   16
#define LANGUAGE_MAX_WORDS 256
struct language_words {
	struct language_word {
		char text[LANGUAGE_WORD];
		uint8_t len;
	} list[LANGUAGE_MAX_WORDS];
	size_t n;
	unsigned
	    blanks; /* of language_needs(): so many blanks at most are matched before the word; or LANGUAGE_ANY */
};
#define LANGUAGE_ANY 16u
/*
 * Each match of the regex (of LANGUAGE_AT_LEAST) begins with one of the words, whatever the case of letters; none: it is
 * never found. False: it may begin with anything. `longest`: words are cut there, up to LANGUAGE_WORD.
 */
bool language_begins(
    const struct language *l, unsigned longest, struct language_words *w) PH_MUST_CHECK;
/*
 * In each match there is one of the words, anywhere: those that are seldom met by chance are chosen. is_begun: but what
 * language_begins() says. False: none can be named. Both are bounded in time and memory.
 */
bool language_needs(const struct language *l, unsigned longest, bool is_begun,
    struct language_words *w) PH_MUST_CHECK;

#endif
