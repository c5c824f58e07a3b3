/*
 * Operators' own patterns (<bounce-category-patterns>): regex and category, asked in their order before the rules of
 * classify.h; the first that is found decides. They see "STATUS;TYPE;TEXT", as "5.1.1;smtp;550 5.1.1 no such user", and
 * for a failure that is ours "5.4.7;x-pmta;delivery time expired". One pass over that finds the patterns whose words it has
 * (language.h); these are tried, and those of which no words are known. Like the rules they judge only.
 */
#ifndef PH_CLASSIFY_CATEGORIES_H
#define PH_CLASSIFY_CATEGORIES_H

#include "lib/classify/classify.h"

struct categories;

struct categories *categories_new(void);
void categories_free(struct categories **p);
/* The regex without its slashes. `file` is kept by reference. -1 with `why`: it does not compile. */
int categories_add(struct categories *p, struct str regex, struct str category, const char *file,
    uint32_t line, struct why *why) PH_MUST_CHECK;
/* After the last of them, and before categories_find(). */
void categories_ready(struct categories *p);
/* False: none is found. */
bool categories_find(const struct categories *p, const struct failure *f, struct verdict *v);

/* Is it one of PowerMTA's categories, or one that a pattern names? */
bool categories_have(const struct categories *p, struct str category);
bool category_is_known(struct str category);

/*
 * Tells each pattern that can never be found, or is always hidden by an earlier one, as far as that can be told for
 * certain: index of the pattern, and a sentence. True when none was told.
 */
typedef void categories_complaint(void *arg, size_t i, const struct why *why);
bool categories_lint(const struct categories *p, categories_complaint *tell, void *arg);

#endif
