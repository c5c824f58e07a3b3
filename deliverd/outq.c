#include "deliverd/outq.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

void
outq_init(struct outq *q)
{
	*q = (struct outq){0};
	buf_init(&q->text, OUTQ_MAX_TEXT);
}

static void
close_piece(struct out_piece *p)
{
	if (p->fd != -1 && close(p->fd) == -1)
		log_warn("outq event=close errno=%m");
	p->fd = -1;
}

/* the first n bytes of the text, which must not lie about */
static void
wipe(struct outq *q, size_t n)
{
	explicit_bzero(q->text.base + q->text.head, n);
}

void
outq_clear(struct outq *q)
{
	bool has_secret = false;

	for (size_t i = q->head; i < q->n; i++) {
		has_secret |= q->pieces[i].is_secret;
		close_piece(&q->pieces[i]);
	}
	if (has_secret)
		wipe(q, buf_len(&q->text));
	xfree(&q->pieces);
	q->n = q->head = q->room = 0;
	buf_clear(&q->text);
	q->queued = q->sent;
}

static struct out_piece *
new_piece(struct outq *q)
{
	if (q->head == q->n)
		q->head = q->n = 0;
	if (q->n == q->room) {
		q->room = q->room == 0 ? 4 : q->room * 2;
		q->pieces = xreallocarray(q->pieces, q->room, sizeof *q->pieces);
	}
	return &q->pieces[q->n++];
}

static void
count_text(struct outq *q, size_t len)
{
	if (len == 0)
		return;
	q->queued += len;
	if (q->n > q->head && q->pieces[q->n - 1].fd == -1 && !q->pieces[q->n - 1].is_apart)
		q->pieces[q->n - 1].len += len;
	else
		*new_piece(q) = (struct out_piece){.len = len, .fd = -1};
}

void
outq_add(struct outq *q, struct str s)
{
	if (buf_add_str(&q->text, s) == -1)
		panic("outq: %zu bytes unsent, %zu more", buf_len(&q->text), s.len);
	count_text(q, s.len);
}

void
outq_addf(struct outq *q, const char *fmt, ...)
{
	size_t before = buf_len(&q->text);
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = buf_addvf(&q->text, fmt, ap);
	va_end(ap);
	if (r == -1)
		panic("outq: %zu bytes unsent and more", before);
	count_text(q, buf_len(&q->text) - before);
}

void
outq_set_apart(struct outq *q)
{
	if (q->n > q->head)
		q->pieces[q->n - 1].is_apart = true;
}

void
outq_set_secret(struct outq *q)
{
	if (q->n > q->head)
		q->pieces[q->n - 1].is_secret = true;
}

void
outq_add_file(struct outq *q, int fd, uint64_t offset, uint64_t len)
{
	ph_assert(len > 0 && fd != -1);
	*new_piece(q) = (struct out_piece){.len = len, .offset = offset, .fd = fd};
	q->queued += len;
}

uint64_t
outq_unsent(const struct outq *q)
{
	return q->queued - q->sent;
}

bool
outq_next(const struct outq *q, struct out_view *v)
{
	const struct out_piece *p;

	if (q->head == q->n)
		return false;
	p = &q->pieces[q->head];
	*v = (struct out_view){.fd = p->fd, .offset = p->offset, .len = p->len};
	if (p->fd == -1)
		v->text = str_sub(buf_str(&q->text), 0, (size_t)p->len);
	v->more = q->head + 1 < q->n && !p->is_apart;
	return true;
}

void
outq_sent(struct outq *q, uint64_t n)
{
	struct out_piece *p = &q->pieces[q->head];

	ph_assert(q->head < q->n && n <= p->len);
	if (p->is_secret)
		wipe(q, (size_t)n);
	if (p->fd == -1)
		buf_consume(&q->text, (size_t)n);
	p->offset += n;
	p->len -= n;
	q->sent += n;
	if (p->len > 0)
		return;
	close_piece(p);
	q->head++;
}
