#include "lib/base/buf.h"

#include <errno.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define BUF_FIRST 256

void
buf_init(struct buf *b, size_t cap)
{
	*b = (struct buf){.cap = cap};
}

void
buf_clear(struct buf *b)
{
	free(b->base);
	buf_init(b, b->cap);
}

void
buf_reset(struct buf *b)
{
	b->head = b->tail = 0;
	b->overfull = false;
}

size_t
buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

struct str
buf_str(const struct buf *b)
{
	return str_from(b->base == NULL ? "" : b->base + b->head, buf_len(b));
}

bool
buf_is_overfull(const struct buf *b)
{
	return b->overfull;
}

static void
slide_to_front(struct buf *b)
{
	if (b->head == 0)
		return;
	memmove(b->base, b->base + b->head, buf_len(b));
	b->tail -= b->head;
	b->head = 0;
}

/* makes size - tail >= want where the cap allows; false when it does not */
static bool
make_room(struct buf *b, size_t want)
{
	size_t len = buf_len(b), size;

	if (b->size - b->tail >= want && b->base != NULL)
		return true;
	if (want > b->cap - PH_MIN(b->cap, len))
		return false;
	if (b->base != NULL)
		slide_to_front(b);
	size = b->size == 0 ? BUF_FIRST : b->size;
	while (size - len < want)
		size *= 2;
	size = PH_MIN(size, b->cap);
	if (size > b->size) {
		b->base = xreallocarray(b->base, 1, size);
		b->size = size;
	}
	return true;
}

int
buf_add(struct buf *b, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	if (b->overfull || (b->size - b->tail < len && !make_room(b, len))) {
		b->overfull = true;
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(b->base + b->tail, p, len);
	b->tail += len;
	return 0;
}

int
buf_add_str(struct buf *b, struct str s)
{
	return buf_add(b, s.p, s.len);
}

int
buf_add_cstr(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int
buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int
buf_addvf(struct buf *b, const char *fmt, va_list ap)
{
	__attribute__((uninitialized)) char small[512];
	bool fits_here = !b->overfull && b->size - b->tail > sizeof small;
	char *big, *to = fits_here ? b->base + b->tail : small;
	va_list again;
	int n, r;

	va_copy(again, ap);
	n = vsnprintf(to, sizeof small, fmt, ap);
	if (n < 0)
		panic("format %s", fmt);
	if ((size_t)n < sizeof small) {
		va_end(again);
		if (!fits_here)
			return buf_add(b, small, (size_t)n);
		b->tail += (size_t)n;
		return 0;
	}
	big = xmalloc((size_t)n + 1);
	vsnprintf(big, (size_t)n + 1, fmt, again);
	va_end(again);
	r = buf_add(b, big, (size_t)n);
	free(big);
	return r;
}

int
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_addvf(b, fmt, ap);
	va_end(ap);
	return r;
}

char *
buf_reserve(struct buf *b, size_t want, size_t *room)
{
	size_t left = b->cap - buf_len(b);

	*room = 0;
	if (left == 0 || !make_room(b, PH_MIN(want, left)))
		return NULL;
	*room = b->size - b->tail;
	return b->base + b->tail;
}

void
buf_wrote(struct buf *b, size_t n)
{
	if (n > b->size - b->tail)
		panic("buffer: wrote %zu into a room of %zu", n, b->size - b->tail);
	b->tail += n;
}

void
buf_consume(struct buf *b, size_t n)
{
	if (n > buf_len(b))
		panic("buffer: consume %zu of %zu", n, buf_len(b));
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

void
buf_truncate(struct buf *b, size_t n)
{
	if (n > buf_len(b))
		panic("buffer: truncate to %zu of %zu", n, buf_len(b));
	b->tail = b->head + n;
}

const char *
buf_cstr(struct buf *b)
{
	if (!make_room(b, 1))
		return "";
	b->base[b->tail] = '\0';
	return b->base + b->head;
}
