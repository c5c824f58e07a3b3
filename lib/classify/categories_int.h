/* The patterns as compiled: shared by categories.c and its checker. */
#ifndef PH_CLASSIFY_CATEGORIES_INT_H
#define PH_CLASSIFY_CATEGORIES_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/classify/classify_int.h"
#include "lib/classify/categories.h"

#define CATEGORIES_MAX	       2000
#define CATEGORIES_MAX_SUBJECT (CLASSIFY_MAX_TEXT + 64)

struct pattern {
	char category[CATEGORY_ROOM];
	char *regex; /* owned */
	size_t len;
	bool is_always_tried; /* no words are known that it cannot be found without */
	pcre2_code *code;
	const char *file;
	uint32_t line;
};
struct categories {
	struct pattern *list;
	size_t n;
	struct finder needed; /* words without which a pattern is not found: its index */
	uint64_t *where;      /* by pattern: are they there? */
	pcre2_match_data *match;
	pcre2_match_context *limits;
};

/* pcre2_match()'s result. */
int categories_try(
    const struct categories *p, const struct pattern *one, struct str subject, uint32_t options);

#endif
