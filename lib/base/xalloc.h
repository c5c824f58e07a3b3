/*
 * Memory that is there or the process ends (exit 75, the master restarts it). So nothing whose size an outsider
 * chooses may be allocated here without a bound of its own.
 */
#ifndef PH_BASE_XALLOC_H
#define PH_BASE_XALLOC_H

#include "lib/base/str.h"

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* A NUL-terminated copy of a view (bytes after an inner NUL are kept but invisible to C). Returns owned. */
char *xstrdup_str(struct str s) __attribute__((malloc, returns_nonnull));
/* printf into a fresh string. Returns owned. */
char *xasprintf(const char *fmt, ...) PH_PRINTF(1, 2);

/* Frees and sets the pointer to NULL. */
#define xfree(pp)                                                                                  \
	do {                                                                                       \
		free(*(pp));                                                                       \
		*(pp) = NULL;                                                                      \
	} while (0)

#endif
