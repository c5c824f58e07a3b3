/*
 * Recipients out of text for people. Nearly every mail server names the address at the start of a line, and the reason
 * behind it or in the lines below; where none does, the address that the words around it point to is taken, and last
 * the one that the returned message was for.
 */
#include "lib/base/xalloc.h"
#include "lib/mail/header.h"
#include "lib/remote/remote_int.h"

#define MAX_REASON (4u * 1024)

static const char *const pointing_words[] = {"rcpt to", "recipient", "deliver", "the following",
    "user", "mailbox", "unknown", "failed", "undeliver", "address", "message to", "account",
    "quota", "reject", NULL};
static const char *const other_words[] = {"message-id", "contact", "please forward", "help",
    "support", "abuse", "report", "assistance", "postmaster", "from:", "sender", "mail from",
    "reply-to", NULL};

static bool
is_own(const struct remote_head *h, struct str address)
{
	static const struct str daemons[] = {
	    STR("mailer-daemon@"), STR("postmaster@"), STR("abuse@"), STR("mail-daemon@")};

	for (size_t i = 0; i < countof(daemons); i++)
		if (str_has_iprefix(address, daemons[i]))
			return true;
	return str_ieq(address, str_of(h->from));
}

static struct remote_rcpt *
find_rcpt(const struct remote_report *r, struct str address)
{
	for (size_t i = 0; i < r->n_rcpts; i++)
		if (str_ieq(str_of(r->rcpts[i].final), address))
			return &r->rcpts[i];
	return NULL;
}

static struct remote_rcpt *
add(struct remote_report *r, struct str address)
{
	struct remote_rcpt *rc = find_rcpt(r, address);

	if (rc != NULL)
		return rc;
	rc = remote_add_rcpt(r);
	if (rc != NULL)
		(void)str_copy(rc->final, sizeof rc->final, address);
	return rc;
}

/* ---- entries: "<a@b>:" or "a@b" at the start of a line ---- */

struct entry {
	struct str address;
	size_t diag; /* where in the text its reason begins */
};

/* "550 5.1.1 " in front of an address, as transcripts of sessions have it */
static size_t
codes_in_front(struct str line)
{
	size_t n = 0;

	while (n < line.len && n < 16 &&
	       (ascii_is_digit(line.p[n]) || strchr(". -", line.p[n]) != NULL))
		n++;
	return n >= 4 && ascii_is_digit(line.p[0]) && line.p[n - 1] == ' ' ? n : 0;
}

static bool
is_entry(struct str line, struct str *address, size_t *behind)
{
	size_t skip = codes_in_front(line), at = 0;
	struct str rest;

	while (skip < line.len && strchr(" \t<*>\"[(", line.p[skip]) != NULL)
		skip++;
	if (!remote_next_address(line, &at, address) || address->p > line.p + skip)
		return false;
	rest = str_skip(line, at);
	while (rest.len > 0 && strchr(">\")]", rest.p[0]) != NULL)
		rest = str_skip(rest, 1);
	*behind = line.len - rest.len;
	rest = str_trim(rest);
	/* "a@b wrote something" is a sentence; "a@b:", "a@b" and "a@b (reason" are entries */
	return rest.len == 0 || strchr(":.,;(-[", rest.p[0]) != NULL ||
	       line.p[skip > 0 ? skip - 1 : 0] == '<';
}

/* "For the following reason:", "-----": what matters comes below */
static bool
is_heading(struct str line)
{
	line = str_trim(line);
	return line.len <= 3 || strchr(":-=*#", line.p[line.len - 1]) != NULL;
}

/* The reason: behind the address, to the end of its paragraph, the next entry or the end. */
static struct str
reason(struct str text, size_t from, struct str whose)
{
	size_t at = from, lf, behind;
	struct str line, address;
	bool has_words = false;

	/* what is kept is less; many entries must not each read the whole text */
	text = str_sub(text, 0, from + MAX_REASON);
	while (at < text.len) {
		lf = str_find(str_skip(text, at), '\n');
		line = str_sub(text, at, lf == STR_NPOS ? text.len - at : lf + 1);
		if (at > from && is_entry(line, &address, &behind) && !str_ieq(address, whose))
			break;
		if (at > from && str_trim(line).len == 0 && has_words)
			break;
		has_words = has_words || !is_heading(line);
		at += line.len;
	}
	return str_trim(str_sub(text, from, at - from));
}

static void
put_diag(struct remote_rcpt *rc, struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len && n + 1 < sizeof rc->diag; i++) {
		char c = (unsigned char)s.p[i] < ' ' ? ' ' : s.p[i];
		if (c != ' ' || (n > 0 && rc->diag[n - 1] != ' '))
			rc->diag[n++] = c;
	}
	while (n > 0 && (rc->diag[n - 1] == ' ' || rc->diag[n - 1] == ':'))
		n--;
	rc->diag[n] = '\0';
}

static bool
is_specific(const struct remote_rcpt *rc)
{
	return rc->enh[0] != 0 && (rc->enh[1] != 0 || rc->enh[2] != 0);
}

static void
read_entries(struct remote_report *r, const struct remote_head *h, bool only_known)
{
	struct str text = buf_str(&r->human), line, address, why;
	struct remote_rcpt *rc;
	size_t at = 0, lf, behind;

	while (at < text.len) {
		lf = str_find(str_skip(text, at), '\n');
		line = str_sub(text, at, lf == STR_NPOS ? text.len - at : lf + 1);
		if (is_entry(line, &address, &behind) && !str_ieq(address, str_of(h->from)) &&
		    !(is_own(h, address) && str_trim(str_skip(line, behind)).len < 4) &&
		    !(str_ieq(address, str_of(h->to)) && find_rcpt(r, address) == NULL &&
			r->n_rcpts > 0)) {
			rc = only_known ? find_rcpt(r, address) : add(r, address);
			why = codes_in_front(line) > 0 ? str_trim(line)
						       : reason(text, at + behind, address);
			while (why.len > 0 && strchr(":.,;-> ", why.p[0]) != NULL)
				why = str_skip(why, 1);
			if (rc != NULL && rc->diag[0] == '\0' && why.len > 3 && !is_specific(rc))
				put_diag(rc, why);
		}
		at += line.len;
	}
}

/* ---- without entries: which address do the words point to? ---- */

static int
points_of_line(struct str line)
{
	return 1 + 3 * remote_has_word(line, pointing_words) -
	       3 * remote_has_word(line, other_words);
}

static void
read_pointed(struct remote_report *r, const struct remote_head *h)
{
	struct str text = buf_str(&r->human), line, address, best = STR("");
	size_t at = 0, lf, in;
	int most = 0, of_line, points;

	while (at < text.len) {
		lf = str_find(str_skip(text, at), '\n');
		line = str_sub(text, at, lf == STR_NPOS ? text.len - at : lf + 1);
		of_line = points_of_line(line);
		for (in = 0; of_line > most && remote_next_address(line, &in, &address);) {
			points = of_line - 2 * str_ieq(address, str_of(h->to));
			if (points > most && !is_own(h, address)) {
				most = points;
				best = address;
			}
		}
		at += line.len;
	}
	if (most > 0)
		(void)add(r, best);
}

static void
read_list(struct remote_report *r, struct str list)
{
	struct str address;
	size_t at = 0;

	while (remote_next_address(list, &at, &address))
		(void)add(r, address);
}

static void
read_returned(struct remote_report *r)
{
	struct header_field f;
	char value[REMOTE_DIAG];

	if (!header_find(r->returned, STR("to"), &f))
		return;
	(void)header_unfold(f.value, value, sizeof value);
	read_list(r, str_of(value));
}

/* ---- what is said of it where nothing stands beside the address ---- */

/* from the line with a reply code on, or all */
static struct str
telling_part(struct str text)
{
	size_t at = 0, lf;
	struct remote_rcpt probe;

	while (at < text.len) {
		lf = str_find(str_skip(text, at), '\n');
		probe = (struct remote_rcpt){0};
		put_diag(&probe, str_sub(text, at, lf == STR_NPOS ? text.len - at : lf + 1));
		remote_take_codes(&probe);
		if (probe.code != 0)
			return str_skip(text, at);
		if (lf == STR_NPOS)
			break;
		at += lf + 1;
	}
	return text;
}

static void
fill_diags(struct remote_report *r)
{
	struct str text = telling_part(buf_str(&r->human));

	for (size_t i = 0; i < r->n_rcpts; i++) {
		struct remote_rcpt *rc = &r->rcpts[i];
		/* a status that says something is worth more than words that may be about anything */
		if (rc->diag[0] == '\0' && !is_specific(rc))
			put_diag(rc, text);
		remote_take_codes(rc);
	}
}

/* fields without an address ("@relay.example"): the one that the text names is meant */
static void
mend_final(struct remote_report *r, const struct remote_head *h)
{
	struct remote_report probe = {.human = r->human};
	struct str address;
	size_t at = 0;

	if (r->n_rcpts != 1 || remote_next_address(str_of(r->rcpts[0].final), &at, &address))
		return;
	read_entries(&probe, h, false);
	if (probe.n_rcpts == 1)
		(void)str_copy(r->rcpts[0].final, REMOTE_ADDRESS, str_of(probe.rcpts[0].final));
	free(probe.rcpts);
}

static enum remote_format
format_of(struct str text)
{
	static const char *const qmail[] = {
	    "this is the qmail", "i'm not going to try again", NULL};
	static const char *const exim[] = {"created automatically by mail delivery software", NULL};

	if (remote_has_word(text, qmail))
		return REMOTE_QMAIL;
	return remote_has_word(text, exim) ? REMOTE_EXIM : REMOTE_TEXT;
}

void
remote_read_text(struct remote_report *r, const struct remote_head *h)
{
	bool had_status = r->n_rcpts > 0;

	if (!had_status)
		r->format = format_of(buf_str(&r->human));
	if (!had_status)
		read_list(r, str_of(h->failed_rcpts));
	else
		mend_final(r, h);
	read_entries(r, h, r->n_rcpts > 0);
	if (r->n_rcpts == 0)
		read_pointed(r, h);
	if (r->n_rcpts == 0)
		read_returned(r);
	fill_diags(r);
}
