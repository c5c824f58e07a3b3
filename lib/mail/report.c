#include "lib/mail/report.h"

#include "lib/mail/date.h"
#include "lib/mail/header.h"
#include "lib/mail/quote_int.h"
#include "lib/mail/status.h"

#define MAX_LINE	990 /* octets of a line of ours, its end and a dot not counted */
#define BOUNDARY_FORMAT "=_report_%.*s"

struct writer {
	struct buf *b;
	const struct report *r;
	bool utf8; /* RFC 6533 forms: the sender's address is not ASCII */
};

static const struct {
	const char *word;     /* of Action: */
	const char *subject;  /* in parentheses */
	const char *sentence; /* of the first part */
	const char *rcpt;     /* behind the address */
} actions[] = {
    [REPORT_ACTION_FAILED] = {"failed", "Failure",
	"Your message could not be delivered to the recipients marked as failed. It will not be "
	"tried again.",
	"failed"},
    [REPORT_ACTION_DELAYED] = {"delayed", "Delay",
	"Your message has not been delivered yet to the recipients marked as delayed. Delivery is "
	"still being tried.",
	"delayed"},
    [REPORT_ACTION_RELAYED] = {"relayed", "Relayed",
	"Your message was handed on, for the recipients marked as relayed, to a server that may "
	"send no further reports.",
	"relayed"},
    [REPORT_ACTION_DELIVERED] = {"delivered", "Success",
	"Your message was delivered to the recipients marked as delivered.", "delivered"},
};

static bool
has_action(const struct report *r, enum report_action a)
{
	for (size_t i = 0; i < r->n_rcpts; i++) {
		if (r->rcpts[i].action == a)
			return true;
	}
	return false;
}

/* the gravest of them */
static enum report_action
main_action(const struct report *r)
{
	for (size_t a = 0; a < countof(actions); a++) {
		if (has_action(r, (enum report_action)a))
			return (enum report_action)a;
	}
	return REPORT_ACTION_FAILED;
}

static void
add_boundary(struct writer *w, const char *end)
{
	buf_addf(w->b, "\r\n--" BOUNDARY_FORMAT "%s\r\n", STR_ARG(w->r->token), end);
}

/* ---- the header section ---- */

static void
add_from(struct writer *w)
{
	if (w->r->from.len > 0)
		quote_field(w->b, "From", w->r->from, w->utf8);
	else
		buf_addf(w->b, "From: Mail Delivery System <MAILER-DAEMON@%.*s>\r\n",
		    STR_ARG(w->r->host));
}

static void
add_top(struct writer *w)
{
	const struct report *r = w->r;
	char date[MAIL_DATE_MAX];

	add_from(w);
	quote_address(w->b, "To", r->to, w->utf8);
	if (r->subject.len > 0)
		quote_field(w->b, "Subject", r->subject, w->utf8);
	else
		buf_addf(w->b, "Subject: Delivery Status Notification (%s)\r\n",
		    actions[main_action(r)].subject);
	buf_addf(w->b, "Date: %s\r\n", mail_date(r->now, date));
	buf_addf(w->b, "Message-ID: <%.*s.report@%.*s>\r\n", STR_ARG(r->token), STR_ARG(r->host));
	buf_add_cstr(w->b, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	if (r->is_plain) {
		buf_addf(w->b, "Content-Type: text/plain; charset=%s\r\n",
		    w->utf8 ? "utf-8" : "us-ascii");
		return;
	}
	buf_addf(w->b,
	    "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"" BOUNDARY_FORMAT
	    "\"\r\n",
	    w->utf8 ? "global-delivery-status" : "delivery-status", STR_ARG(r->token));
}

/* ---- part 1: for people ---- */

static void
add_rcpt_text(struct writer *w, const struct report_rcpt_text *t)
{
	char status[STATUS_TEXT];

	buf_add_cstr(w->b, "\r\n<");
	quote_text(w->b, t->address, w->utf8);
	buf_addf(w->b, ">: %s\r\n", actions[t->action].rcpt);
	buf_addf(w->b, "    %s\r\n", status_format(t->enh, t->local ? 0 : t->code, status));
	if (t->reply.len == 0)
		return;
	if (!t->local && t->mta.len > 0)
		quote_wrapped(w->b, "    said by ", t->mta, w->utf8);
	quote_wrapped(w->b, "    ", t->reply, w->utf8);
}

/* one line, in as many as it takes */
static void
add_own_line(struct writer *w, struct str line)
{
	do {
		if (str_has_prefix(line, STR(".")))
			buf_add_char(w->b, '.');
		for (size_t i = 0; i < PH_MIN(line.len, (size_t)MAX_LINE); i++)
			buf_add_char(
			    w->b, line.p[i] == '\0' || line.p[i] == '\r' ? ' ' : line.p[i]);
		buf_add_cstr(w->b, "\r\n");
		line = str_skip(line, PH_MIN(line.len, (size_t)MAX_LINE));
	} while (line.len > 0);
}

/* of the operator's template: as it is written, but for what mail does not allow */
static void
add_own_text(struct writer *w, struct report_needs *needs)
{
	bool is_ascii = quote_is_ascii(w->r->people);
	struct str rest = w->r->people, line;

	buf_addf(w->b,
	    "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    is_ascii ? "us-ascii" : "utf-8", is_ascii ? "7bit" : "8bit");
	needs->eight_bit |= !is_ascii;
	while (rest.len > 0 && str_next(&rest, '\n', &line)) {
		if (str_has_suffix(line, STR("\r")))
			line.len--;
		add_own_line(w, line);
	}
}

static void
add_people_part(struct writer *w, struct report_needs *needs)
{
	char date[MAIL_DATE_MAX];

	add_boundary(w, "");
	if (w->r->people.len > 0) {
		add_own_text(w, needs);
		return;
	}
	buf_addf(w->b,
	    "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    w->utf8 ? "utf-8" : "us-ascii", w->utf8 ? "8bit" : "7bit");
	buf_addf(w->b, "This is the mail server at %.*s.\r\n", STR_ARG(w->r->host));
	buf_addf(w->b, "It writes about a message that it took from you on\r\n%s.\r\n",
	    mail_date(w->r->arrived, date));
	for (size_t a = 0; a < countof(actions); a++) {
		if (!has_action(w->r, (enum report_action)a))
			continue;
		buf_add_cstr(w->b, "\r\n");
		quote_wrapped(w->b, "", str_of(actions[a].sentence), false);
	}
	for (size_t i = 0; i < w->r->n_rcpts; i++)
		add_rcpt_text(w, &w->r->rcpts[i]);
}

/* ---- part 2: for programs (RFC 3464 2, RFC 6533 3) ---- */

static void
add_message_fields(struct writer *w)
{
	const struct report *r = w->r;
	char date[MAIL_DATE_MAX];

	buf_addf(w->b, "Reporting-MTA: dns;%.*s\r\n", STR_ARG(r->host));
	if (r->vmta.len > 0)
		quote_field(w->b, "X-PowerMTA-VirtualMTA", r->vmta, w->utf8);
	if (r->envid.len > 0)
		quote_field(w->b, "Original-Envelope-Id", r->envid, w->utf8);
	buf_addf(w->b, "Arrival-Date: %s\r\n", mail_date(r->arrived, date));
}

static void
add_final_recipient(struct writer *w, const struct report_rcpt_text *t)
{
	bool ascii = quote_is_ascii(t->address);

	buf_addf(w->b, "Final-Recipient: %s;", ascii ? "rfc822" : "utf-8");
	quote_text(w->b, t->address, w->utf8);
	buf_add_cstr(w->b, "\r\n");
}

static void
add_rcpt_fields(struct writer *w, const struct report_rcpt_text *t)
{
	char status[STATUS_TEXT], date[MAIL_DATE_MAX];

	buf_add_cstr(w->b, "\r\n");
	if (t->orcpt.len > 0)
		quote_field(w->b, "Original-Recipient", t->orcpt, w->utf8);
	add_final_recipient(w, t);
	buf_addf(w->b, "Action: %s\r\n", actions[t->action].word);
	buf_addf(w->b, "Status: %s\r\n", status_format(t->enh, t->local ? 0 : t->code, status));
	if (t->mta.len > 0) {
		buf_add_cstr(w->b, "Remote-MTA: dns;");
		quote_text(w->b, t->mta, w->utf8);
		buf_add_cstr(w->b, "\r\n");
	}
	if (t->reply.len > 0)
		quote_field(w->b, t->local ? "Diagnostic-Code: x-pmta" : "Diagnostic-Code: smtp",
		    t->reply, w->utf8);
	if (t->when.ns != 0)
		buf_addf(w->b, "Last-Attempt-Date: %s\r\n", mail_date(t->when, date));
	if (t->action == REPORT_ACTION_DELAYED && w->r->retry_until.ns != 0)
		buf_addf(w->b, "Will-Retry-Until: %s\r\n", mail_date(w->r->retry_until, date));
}

static void
add_program_text(struct writer *w)
{
	add_message_fields(w);
	for (size_t i = 0; i < w->r->n_rcpts; i++)
		add_rcpt_fields(w, &w->r->rcpts[i]);
}

static void
add_program_part(struct writer *w)
{
	add_boundary(w, "");
	buf_add_cstr(w->b, w->utf8 ? "Content-Type: message/global-delivery-status\r\n"
				     "Content-Transfer-Encoding: 8bit\r\n\r\n"
				   : "Content-Type: message/delivery-status\r\n\r\n");
	add_program_text(w);
}

/* ---- part 3: what is returned ---- */

/* header section, with its last line whole even if the text was cut inside it */
static struct str
whole_lines(struct str s)
{
	size_t end = str_rfind(s, '\n');

	return end == STR_NPOS ? STR_NULL : str_sub(s, 0, end + 1);
}

static struct str
header_section(struct str content)
{
	struct header_iter it;
	struct header_field f;
	size_t len = 0;

	header_iter_init(&it, content);
	while (header_next(&it, &f))
		len = (size_t)(f.whole.p - content.p) + f.whole.len;
	return whole_lines(str_sub(content, 0, len));
}

static bool
has_long_line_or_nul(struct str s)
{
	struct str line;

	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
		return true;
	while (str_next(&s, '\n', &line)) {
		if (line.len > 999) /* with its CR */
			return true;
	}
	return false;
}

static void
add_full_part(struct writer *w, struct report_needs *needs)
{
	bool eight_bit = !quote_is_ascii(w->r->content);

	buf_addf(w->b, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
	    w->utf8 ? "message/global" : "message/rfc822", eight_bit ? "8bit" : "7bit");
	buf_add_str(w->b, w->r->content);
	needs->eight_bit |= eight_bit;
}

static void
add_header_part(struct writer *w, struct report_needs *needs)
{
	struct str s = header_section(w->r->content);
	bool odd = has_long_line_or_nul(s) || (!w->utf8 && !quote_is_ascii(s));

	buf_addf(w->b, "Content-Type: %s\r\n",
	    w->utf8 ? "message/global-headers" : "text/rfc822-headers");
	if (odd) {
		buf_add_cstr(w->b, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		quote_printable(w->b, s);
		return;
	}
	buf_add_cstr(w->b, w->utf8 ? "Content-Transfer-Encoding: 8bit\r\n\r\n" : "\r\n");
	buf_add_str(w->b, s);
}

bool
report_can_return_full(struct str content, struct str to)
{
	if (has_long_line_or_nul(content))
		return false;
	return !quote_is_ascii(to) || quote_is_ascii(header_section(content));
}

static uint64_t
count_dots(struct str s)
{
	uint64_t n = 0;
	struct str line;

	while (str_next(&s, '\n', &line))
		n += line.len > 0 && line.p[0] == '.';
	return n;
}

static void
add_parts(struct writer *w, struct report_needs *needs)
{
	buf_add_cstr(w->b, "\r\nThis is a delivery report in MIME format.\r\n");
	add_people_part(w, needs);
	add_program_part(w);
	add_boundary(w, "");
	if (w->r->is_full)
		add_full_part(w, needs);
	else
		add_header_part(w, needs);
	add_boundary(w, "--");
}

int
report_build(struct buf *b, const struct report *r, struct report_needs *needs)
{
	struct writer w = {.b = b, .r = r, .utf8 = !quote_is_ascii(r->to)};
	size_t mime;
	struct buf body;

	*needs = (struct report_needs){.eight_bit = w.utf8, .smtputf8 = w.utf8};
	add_top(&w);
	/* whether the whole is 8-bit is known at its end only, and the head must say it */
	mime = buf_len(b);
	buf_init(&body, b->cap);
	w.b = &body;
	if (r->is_plain) {
		buf_add_cstr(&body, "\r\n");
		add_program_text(&w);
	} else {
		add_parts(&w, needs);
	}
	if (needs->eight_bit)
		buf_add_cstr(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_str(b, buf_str(&body));
	needs->n_dots = count_dots(str_skip(buf_str(b), mime));
	if (buf_is_overfull(&body))
		b->overfull = true;
	buf_clear(&body);
	return buf_is_overfull(b) ? -1 : 0;
}
