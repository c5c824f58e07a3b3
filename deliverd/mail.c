#include "deliverd/mail.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define SLICE 65536

void
mail_free(struct mail **mp)
{
	struct mail *m = *mp;

	if (m == NULL)
		return;
	if (m->fd != -1 && close(m->fd) == -1)
		log_warn("mail event=close errno=%m");
	buf_clear(&m->record);
	buf_clear(&m->scratch);
	free(m->rcpts);
	free(m);
	*mp = NULL;
}

uint64_t
mail_size(const struct mail *m)
{
	return m->stored_len - m->n_dots;
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

/* A piece of the content, at most SLICE bytes; from the file into `into`. Trouble reading gives an
 * empty piece. */
static struct str
piece_at(const struct mail *m, uint64_t at, char into[SLICE])
{
	ssize_t n;

	if (m->fd == -1)
		return str_sub(m->content, (size_t)at, SLICE);
	do
		n = pread(m->fd, into, (size_t)PH_MIN(m->stored_len - at, (uint64_t)SLICE),
		    (off_t)(m->offset + at));
	while (n == -1 && errno == EINTR);
	return str_from(into, n < 0 ? 0 : (size_t)n);
}

bool
mail_is_8bit(const struct mail *m)
{
	static char slice[SLICE]; /* scratch, too large for the stack */
	struct str piece;

	for (uint64_t at = 0; at < m->stored_len; at += piece.len) {
		piece = piece_at(m, at, slice);
		if (piece.len == 0)
			return true;
		if (!is_ascii(piece))
			return true;
	}
	return false;
}

bool
mail_needs_utf8(const struct mail *m)
{
	static char slice[SLICE];
	struct str head = piece_at(m, 0, slice);
	size_t end;

	if (!is_ascii(m->sender))
		return true;
	for (uint32_t i = 0; i < m->n_rcpts; i++)
		if (!is_ascii(m->rcpts[i].address))
			return true;
	/* a header that does not end within the slice is judged by what is there */
	end = str_find_str(head, STR("\r\n\r\n"));
	return !is_ascii(end == STR_NPOS ? head : str_sub(head, 0, end));
}
