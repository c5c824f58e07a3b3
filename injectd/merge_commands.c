#include <string.h>

#include "injectd/auth.h"
#include "injectd/commands.h"
#include "injectd/merge_int.h"
#include "lib/base/num.h"
#include "lib/mail/schedule.h"
#include "lib/smtp/address.h"
#include "lib/stats/stats.h"

bool
merge_is_offered(struct session *s)
{
	return conf_bool(session_set(s), CONF_SOURCE_ALLOW_MAILMERGE);
}

static void
refuse(struct session *s, int code, int enh, const char *text)
{
	session_reply(s, code, enh, "%s", text);
	session_error(s);
}

static bool
is_offered(struct session *s)
{
	if (merge_is_offered(s))
		return true;
	refuse(s, 502, ENH(5, 5, 1), "The command is not offered");
	return false;
}

static bool
is_open(struct session *s)
{
	if (!is_offered(s))
		return false;
	if (s->txn != NULL && s->txn->merge != NULL)
		return true;
	refuse(s, 503, ENH(5, 5, 1), "XMRG comes first");
	return false;
}

/* xmrg-cmd = "XMRG FROM:" path [ SP mail-parameters ] */
void
merge_xmrg(struct session *s, struct str arg)
{
	bool was_open = s->txn != NULL;

	if (!is_offered(s) || auth_is_missing(s))
		return;
	command_mail(s, arg);
	if (!was_open && s->txn != NULL)
		merge_start(s->txn);
}

/* xack-cmd = "XACK" SP ( "ON" / "OFF" ) */
void
merge_xack(struct session *s, struct str arg)
{
	bool is_on = str_ieq(arg, STR("ON"));

	if (!is_offered(s))
		return;
	if (!is_on && !str_ieq(arg, STR("OFF"))) {
		refuse(s, 501, ENH(5, 5, 4), "XACK needs ON or OFF");
		return;
	}
	s->is_quiet = !is_on;
	session_reply(s, 250, ENH(2, 0, 0), "XACK %s", is_on ? "ON" : "OFF");
}

/* ---- XDFN ---- */

static int
check_name(struct str name, struct str value, struct why *why)
{
	static const char *const reserved[] = {"*from", "*envid", "*vmta", "*jobid", "*parts",
	    "*schedule", "*priority", "*subaccountid", "*custommessageid"};
	size_t i = 0;

	if (name.p[0] != '*')
		return 0;
	while (i < countof(reserved) && !str_ieq(name, str_of(reserved[i])))
		i++;
	if (i == countof(reserved))
		return why_smtp(why, 501, 5, 5, 4, "There is no variable %.*s", STR_ARG(name));
	/* they become fields and addresses */
	for (i = 0; i < value.len; i++)
		if (value.p[i] == '\r' || value.p[i] == '\n')
			return why_smtp(why, 501, 5, 5, 4, "%.*s has a line end", STR_ARG(name));
	return 0;
}

static int
define(struct merge *m, struct str arg, struct why *why)
{
	size_t before = buf_len(&m->next);
	struct str added, name, value;

	if (merge_define(arg, &m->next, why) == -1)
		return -1;
	added = str_skip(buf_str(&m->next), before);
	while (merge_next(&added, &name, &value))
		if (check_name(name, value, why) == -1) {
			buf_truncate(&m->next, before);
			return -1;
		}
	return 0;
}

void
merge_xdfn(struct session *s, struct str arg)
{
	struct why why = {0};

	if (!is_open(s))
		return;
	if (define(s->txn->merge, arg, &why) == -1) {
		session_reply_why(s, &why);
		session_error(s);
		return;
	}
	session_reply(s, 250, ENH(2, 0, 0), "Defined");
}

/* ---- RCPT of a merge ---- */

static int
check_from(struct txn *t, struct str v, struct why *why)
{
	struct address a;
	unsigned allow = ADDRESS_LONG | (t->env.smtputf8 ? ADDRESS_UTF8 : 0);

	if (v.p == NULL || v.len == 0 || str_eq(v, STR("<>")))
		return 0;
	return address_parse(v, allow, &a, why)
		   ? 0
		   : why_smtp(why, 553, 5, 1, 7, "*from is not an address");
}

static int
check_vmta(const struct txn *t, struct str v, struct why *why)
{
	const struct conf *c = t->world->conf;

	if (v.len == 0 || str_ieq(v, STR("{default}")) || conf_vmta(c, v) != NULL ||
	    conf_pool(c, v) != NULL)
		return 0;
	return why_smtp(why, 554, 5, 7, 1, "There is no VirtualMTA of the name in *vmta");
}

static int
check_lengths(const struct str own[OWN_MAX], struct why *why)
{
	if (own[OWN_ENVID].len > TXN_MAX_ENVID)
		return why_smtp(why, 554, 5, 6, 0, "*envid has more than 100 characters");
	if (own[OWN_VMTA].len > 255 || own[OWN_SCHEDULE].len > 4096)
		return why_smtp(why, 554, 5, 6, 0, "*vmta or *schedule is too long");
	if (own[OWN_JOB].len > TXN_MAX_JOB)
		return why_smtp(why, 554, 5, 6, 0, "*jobid has more than 200 characters");
	return 0;
}

int
merge_check_rcpt(struct txn *t, struct why *why)
{
	struct str defs = buf_str(&t->merge->next), own[OWN_MAX];
	struct merge_order order;
	struct schedule schedule;
	uint32_t n;

	merge_own_of(defs, own);
	if (check_from(t, own[OWN_FROM], why) == -1 || check_vmta(t, own[OWN_VMTA], why) == -1 ||
	    check_lengths(own, why) == -1)
		return -1;
	if (own[OWN_SCHEDULE].len > 0 &&
	    schedule_parse_field(own[OWN_SCHEDULE], &schedule, why) == -1)
		return -1;
	if (own[OWN_PRIORITY].len > 0 && !parse_u32(own[OWN_PRIORITY], 0, 100, &n))
		return why_smtp(why, 554, 5, 6, 0, "*priority is not a number up to 100");
	if (merge_order_parse(NULL, own[OWN_PARTS], &order, why) == -1)
		return -1;
	if (buf_len(&t->merge->defs) + defs.len > MERGE_MAX_DEFS)
		return why_smtp(why, 452, 4, 5, 3, "Too much is defined");
	return merge_hold(t->merge, defs.len, why);
}

/* ---- XPRT ---- */

static void
take_part(void *arg, struct str piece)
{
	struct txn *t = arg;

	if (t->fault.smtp_code != 0)
		return;
	if (t->filter.n_bytes + piece.len > t->max_bytes ||
	    buf_add_str(&t->merge->part, piece) == -1)
		txn_fail(t, 552, 5, 3, 4, "The part is too large");
}

static bool
parse_xprt(struct str arg, uint32_t *number, bool *is_last)
{
	struct str word = STR_NULL, more;

	if (!str_next_word(&arg, &word) || !parse_u32(word, 1, MERGE_MAX_PARTS, number))
		return false;
	*is_last = str_next_word(&arg, &more);
	return !*is_last || (str_ieq(more, STR("LAST")) && !str_next_word(&arg, &more));
}

/* xprt-cmd = "XPRT" SP number [ SP "LAST" ] */
void
merge_xprt(struct session *s, struct str arg)
{
	struct merge *m;
	struct why why = {0};

	if (!is_open(s))
		return;
	m = s->txn->merge;
	if (!parse_xprt(arg, &m->number, &m->is_last_part)) {
		refuse(s, 501, ENH(5, 5, 4), "XPRT needs a number up to 1000, and may have LAST");
		return;
	}
	if (!command_may_take_content(s, &why)) {
		session_reply_why(s, &why);
		session_error(s);
		return;
	}
	if (command_has_too_many(s))
		return;
	data_init(&s->txn->filter, take_part, s->txn);
	s->txn->max_bytes =
	    PH_MIN(conf_u64(session_set(s), CONF_SOURCE_MAX_MESSAGE_SIZE), TXN_MAX_BYTES);
	session_reply(s, 354, 0, "Send the part, end with a line of a single dot");
	session_enter(s, SESSION_DATA);
}

bool
merge_wants_part(const struct merge *m)
{
	return !m->is_last_part;
}

/* the part as plain text: a doubled dot at the start of a line is one */
static void
undouble(struct buf *b)
{
	char *p = b->base + b->head, *to = p, *end = b->base + b->tail, *lf;

	while (p < end) {
		p += *p == '.';
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf == NULL ? end : lf + 1;
		memmove(to, p, (size_t)(lf - p));
		to += lf - p;
		p = lf;
	}
	buf_truncate(b, (size_t)(to - (b->base + b->head)));
}

static int
add_part(struct merge *m, struct why *why)
{
	if (buf_len(&m->part) > 0)
		undouble(&m->part);
	if (merge_hold(m, buf_len(&m->part), why) == -1 ||
	    merge_text_add(&m->text, m->number, buf_str(&m->part), why) == -1)
		return -1;
	buf_clear(&m->part);
	return 0;
}

void
merge_end_part(struct session *s)
{
	struct merge *m = s->txn->merge;
	struct why why = {0};

	if (txn_check_filter(s->txn, &why) == -1 || add_part(m, &why) == -1) {
		stat_inc(STAT_IN_REJECTED);
		txn_free(&s->txn);
		session_enter(s, SESSION_COMMAND);
		session_reply_why(s, &why);
	} else if (!m->is_last_part) {
		session_enter(s, SESSION_COMMAND);
		session_reply(s, 250, ENH(2, 6, 0), "Part ok");
	} else {
		session_enter(s, SESSION_WAIT);
		merge_make_all(m);
	}
}
