/*
 * A byte buffer that grows up to a cap fixed at its birth. Appending beyond the cap fails, leaves the content as
 * it was and is remembered (`buf_is_overfull`), so a writer may append many pieces and ask once at the end.
 * Consuming from the front is cheap. Not NUL-terminated except by buf_cstr().
 */
#ifndef PH_BASE_BUF_H
#define PH_BASE_BUF_H

#include <stdarg.h>

#include "lib/base/str.h"

struct buf {
	char *base;
	size_t head; /* first live byte */
	size_t tail; /* one past the last live byte */
	size_t size;
	size_t cap;
	bool overfull;
};

/* cap in bytes, > 0. No memory is taken until the first append. */
void buf_init(struct buf *b, size_t cap);
/* Gives the memory back; the buffer may be used again (same cap). */
void buf_clear(struct buf *b);
/* Empties, keeps the memory, forgets overfull. */
void buf_reset(struct buf *b);

size_t buf_len(const struct buf *b);
/* Borrowed until the next append, reserve or clear. */
struct str buf_str(const struct buf *b);
/* NUL-terminated content, borrowed; content must hold no NUL to be whole. "" when there is no room for the NUL. */
const char *buf_cstr(struct buf *b);
bool buf_is_overfull(const struct buf *b);

/* All return 0, or -1 when the cap would be passed (errno EMSGSIZE); content is then unchanged. */
int buf_add(struct buf *b, const void *p, size_t len);
int buf_add_str(struct buf *b, struct str s);
int buf_add_cstr(struct buf *b, const char *s);
int buf_add_char(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) PH_PRINTF(2, 3);
int buf_addvf(struct buf *b, const char *fmt, va_list ap) PH_PRINTF(2, 0);

/*
 * Room for at least `want` more bytes (never beyond the cap): returns where to write and, in *room, how much
 * fits; NULL when nothing does. Follow with buf_wrote().
 */
char *buf_reserve(struct buf *b, size_t want, size_t *room);
void buf_wrote(struct buf *b, size_t n);

/* Drops n bytes from the front (n <= buf_len). */
void buf_consume(struct buf *b, size_t n);
/* Cuts to the first n bytes (n <= buf_len). */
void buf_truncate(struct buf *b, size_t n);

#endif
