#include "deliverd/mail.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

void
mail_free(struct mail **mp)
{
	struct mail *m = *mp;

	if (m == NULL)
		return;
	if (m->fd != -1 && close(m->fd) == -1)
		log_warn("mail event=close errno=%m");
	if (m->job != NULL)
		m->drop_job(&m->job);
	buf_clear(&m->record);
	buf_clear(&m->head);
	buf_clear(&m->scratch);
	buf_clear(&m->lead);
	free(m->own_sender);
	free(m->rcpts);
	free(m);
	*mp = NULL;
}

uint64_t
mail_size(const struct mail *m)
{
	return m->stored_len - m->n_dots + buf_len(&m->head);
}

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] > 127)
			return false;
	return true;
}

struct str
mail_piece(const struct mail *m, uint64_t at, char into[MAIL_SLICE])
{
	size_t lead = buf_len(&m->lead);
	ssize_t n;

	if (m->fd == -1)
		return str_sub(m->content, (size_t)at, MAIL_SLICE);
	if (at < lead)
		return str_sub(buf_str(&m->lead), (size_t)at, MAIL_SLICE);
	do
		n = pread(m->fd, into, (size_t)PH_MIN(m->stored_len - at, (uint64_t)MAIL_SLICE),
		    (off_t)(m->offset + at - lead));
	while (n == -1 && errno == EINTR);
	return str_from(into, n < 0 ? 0 : (size_t)n);
}

bool
mail_is_8bit(const struct mail *m)
{
	static char slice[MAIL_SLICE]; /* scratch, too large for the stack */
	struct str piece;

	for (uint64_t at = 0; at < m->stored_len; at += piece.len) {
		piece = mail_piece(m, at, slice);
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
	static char slice[MAIL_SLICE];
	struct str head = mail_piece(m, 0, slice);
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
