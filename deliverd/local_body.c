#include "deliverd/local_int.h"

#define PIECE_AT_LEAST 4096

void
local_body_begin(struct local_body *b, const struct mail *m, bool with_cr)
{
	*b = (struct local_body){.mail = m, .in_head = true, .at_start = true, .with_cr = with_cr};
}

static int
put(struct local_body *b, struct buf *out, char c)
{
	b->bytes++;
	return buf_add_char(out, c);
}

/* stuffed: as stored, where a line that began with a dot has one more */
static int
convert(struct local_body *b, struct str s, bool stuffed, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < s.len && r == 0; i++) {
		char c = s.p[i];
		bool is_extra = stuffed && b->at_start && c == '.';

		b->at_start = c == '\n';
		if (is_extra)
			continue;
		if (b->has_cr && (c != '\n' || b->with_cr))
			r = put(b, out, '\r');
		b->has_cr = c == '\r';
		if (!b->has_cr && r == 0)
			r = put(b, out, c);
	}
	return r;
}

/* the last line has an end, too */
static int
finish(struct local_body *b, struct buf *out)
{
	b->is_over = true;
	if (b->mail->ends_in_crlf)
		return 0;
	return convert(b, STR("\r\n"), false, out);
}

bool
local_body_next(struct local_body *b, size_t max, struct buf *out)
{
	static char slice[MAIL_SLICE];
	struct str piece;
	int r = 0;

	if (b->in_head) {
		b->in_head = false;
		r = convert(b, buf_str(&b->mail->head), false, out);
	}
	while (r == 0 && !b->is_over && buf_len(out) < max) {
		if (b->at >= b->mail->stored_len) {
			r = finish(b, out);
			break;
		}
		piece = mail_piece(b->mail, b->at, slice);
		if (piece.len == 0)
			return false;
		piece = str_sub(piece, 0,
		    (size_t)PH_MIN(b->mail->stored_len - b->at,
			(uint64_t)PH_MAX(max, (size_t)PIECE_AT_LEAST)));
		b->at += piece.len;
		r = convert(b, piece, true, out);
	}
	return r == 0;
}
