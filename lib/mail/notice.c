#include "lib/mail/notice.h"

#include "lib/mail/date.h"
#include "lib/mail/quote_int.h"

static void
add_top(struct buf *b, const struct notice_text *n)
{
	char date[MAIL_DATE_MAX];

	if (n->from.len > 0)
		quote_field(b, "From", n->from, false);
	else
		buf_addf(
		    b, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n", STR_ARG(n->host));
	quote_field(b, "To", n->to, false);
	quote_field(b, "Subject", n->subject, false);
	buf_addf(b, "Date: %s\r\n", mail_date(n->now, date));
	buf_addf(b, "Message-ID: <%.*s.notice@%.*s>\r\n", STR_ARG(n->token), STR_ARG(n->host));
	buf_add_cstr(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
			"Content-Type: text/plain; charset=us-ascii\r\n\r\n");
}

int
notice_build(struct buf *b, const struct notice_text *n, uint64_t *n_dots)
{
	struct str rest = n->text, line;

	*n_dots = 0;
	add_top(b, n);
	for (int i = 0; i < NOTICE_MAX_LINES && rest.len > 0 && str_next(&rest, '\n', &line); i++) {
		if (line.len > 0 && line.p[0] == '.') {
			buf_add_char(b, '.');
			(*n_dots)++;
		}
		quote_text(b, line, false);
		buf_add_cstr(b, "\r\n");
	}
	return buf_is_overfull(b) ? -1 : 0;
}
