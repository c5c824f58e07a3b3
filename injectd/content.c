#include "injectd/head.h"
#include "injectd/inbound.h"
#include "injectd/txn.h"
#include "lib/mail/header.h"

/* The header section ends at t->line_at of `all`: everything behind it is body. */
static void
end_head(struct txn *t, struct str all)
{
	struct str rest = str_skip(all, t->line_at);
	bool is_separated = header_line_kind(rest) == HEADER_LINE_EMPTY;

	head_process(t, str_sub(all, 0, t->line_at), rest.len > 0 && !is_separated);
	t->in_body = true;
	if (t->merge_of == NULL)
		inbound_keep_head(t, str_sub(all, 0, t->line_at));
	inbound_take_body(t, is_separated ? str_skip(rest, sizeof "\r\n" - 1) : rest);
	content_store(t, rest);
	buf_clear(&t->head);
}

/* may this line (at t->line_at) stand in a header section? */
static bool
is_head_line(const struct txn *t, struct str line)
{
	switch (header_line_kind(line)) {
	case HEADER_LINE_FIELD:
		return true;
	case HEADER_LINE_CONTINUED:
		return t->line_at > 0;
	case HEADER_LINE_MBOX:
		return t->line_at == 0;
	default:
		return false;
	}
}

/* True: the header section, of which `all` has come, is over. */
static bool
scan_head(struct txn *t, struct str all)
{
	struct str rest = str_skip(all, t->line_at);
	size_t lf;

	while ((lf = str_find(rest, '\n')) != STR_NPOS) {
		if (!is_head_line(t, str_sub(rest, 0, lf + 1))) {
			end_head(t, all);
			return true;
		}
		t->line_at += lf + 1;
		if (t->line_at > TXN_MAX_HEADER)
			break;
		rest = str_skip(rest, lf + 1);
	}
	if (all.len > TXN_MAX_HEADER)
		txn_fail(t, 552, 5, 3, 4, "The header section is too large");
	return false;
}

static void
add_to_head(struct txn *t, struct str piece)
{
	bool is_first = buf_len(&t->head) == 0;

	/* most come in one piece with the body, which need not be copied twice */
	if (is_first && scan_head(t, piece))
		return;
	if (t->fault.smtp_code != 0)
		return;
	if (buf_add_str(&t->head, piece) == -1)
		txn_fail(t, 552, 5, 3, 4, "The header section is too large");
	else if (!is_first)
		(void)scan_head(t, buf_str(&t->head));
}

void
content_add(void *arg, struct str piece)
{
	struct txn *t = arg;

	if (t->fault.smtp_code != 0)
		return;
	if (t->filter.n_bytes + piece.len > t->max_bytes) {
		txn_fail(t, 552, 5, 3, 4, "The message is too large");
		return;
	}
	if (t->in_body) {
		inbound_take_body(t, piece);
		content_store(t, piece);
		return;
	}
	add_to_head(t, piece);
}

void
content_end(struct txn *t)
{
	if (t->in_body || t->fault.smtp_code != 0)
		return;
	/* no empty line came; all complete lines were header lines */
	t->line_at = buf_len(&t->head);
	end_head(t, buf_str(&t->head));
}
