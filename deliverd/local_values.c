#include <time.h>

#include "deliverd/local_int.h"
#include "lib/mail/date.h"
#include "lib/spool/envelope.h"

#define VALUE_MAX 1000

/* what sysexits.h means (PowerMTA's table); what is not there, and a signal, is temporary */
static const struct {
	uint8_t status;
	bool is_final;
	uint8_t enh[3];
} ends[] = {
    {0, true, {2, 0, 0}}, {64, true, {5, 5, 4}}, /* EX_USAGE */
    {65, true, {5, 5, 2}},			 /* EX_DATAERR */
    {66, true, {5, 3, 0}},			 /* EX_NOINPUT */
    {67, true, {5, 1, 1}},			 /* EX_NOUSER */
    {68, true, {5, 1, 2}},			 /* EX_NOHOST */
    {69, true, {5, 3, 0}},			 /* EX_UNAVAILABLE */
    {70, true, {5, 3, 0}},			 /* EX_SOFTWARE */
    {71, false, {4, 3, 0}},			 /* EX_OSERR */
    {72, true, {5, 3, 0}},			 /* EX_OSFILE */
    {73, true, {5, 2, 0}},			 /* EX_CANTCREAT */
    {74, false, {4, 3, 0}},			 /* EX_IOERR */
    {75, false, {4, 0, 0}},			 /* EX_TEMPFAIL */
    {76, true, {5, 5, 0}},			 /* EX_PROTOCOL */
    {77, true, {5, 7, 1}},			 /* EX_NOPERM */
    {78, true, {5, 3, 5}},			 /* EX_CONFIG */
};

static void
set_enh(struct local_verdict *v, uint8_t a, uint8_t b, uint8_t c)
{
	v->enh[0] = a;
	v->enh[1] = b;
	v->enh[2] = c;
}

static void
judge_status(uint32_t status, struct local_verdict *v)
{
	v->outcome = OUT_DEFERRED;
	set_enh(v, 4, 3, 0);
	for (size_t i = 0; i < countof(ends); i++) {
		if (ends[i].status != status)
			continue;
		set_enh(v, ends[i].enh[0], ends[i].enh[1], ends[i].enh[2]);
		if (ends[i].is_final)
			v->outcome = status == 0 ? OUT_DELIVERED : OUT_FAILED;
	}
}

/* outside text for records and reports: one line of printable ASCII */
static void
say(struct local_verdict *v, const char *what, struct str output)
{
	size_t n =
	    (size_t)snprintf(v->text, sizeof v->text, "%s%s", what, output.len > 0 ? ": " : "");

	for (size_t i = 0; i < output.len && n + 1 < sizeof v->text; i++)
		v->text[n++] = ascii_is_print(output.p[i]) ? output.p[i] : '?';
	v->text[n] = '\0';
	for (char *p = v->text; *p != '\0'; p++)
		if (!ascii_is_print(*p))
			*p = ' ';
}

void
local_judge(const struct run_end *end, enum delivery_type type, struct local_verdict *v)
{
	static const char *const done[] = {[DELIVERY_PIPE] = "taken by the command",
	    [DELIVERY_FILE] = "written to the file",
	    [DELIVERY_HTTP] = "accepted"};
	char what[64];

	set_enh(v, 4, 3, 0);
	v->outcome = OUT_DEFERRED;
	switch (end->how) {
	case EXEC_EXITED:
		judge_status(end->status, v);
		snprintf(what, sizeof what, "exit status %u", end->status);
		say(v, end->status == 0 ? done[type] : what, end->output);
		break;
	case EXEC_SIGNALED:
		snprintf(what, sizeof what, "ended by signal %u", end->status);
		say(v, what, end->output);
		break;
	case EXEC_BAD_VALUE:
		v->outcome = OUT_FAILED;
		set_enh(v, 5, 1, 3);
		say(v, "cannot be given to the command", end->output);
		break;
	case EXEC_NOT_STARTED:
		set_enh(v, 4, 3, 5);
		say(v, "cannot be started", end->output);
		break;
	default:
		say(v, "its end is not known", end->output);
	}
}

/* ---- values ---- */

struct making {
	struct buf *buf;
	size_t at[COMMAND_VALUES], len[COMMAND_VALUES];
};

static void
add(struct making *k, enum command_value v, struct str s, bool lower)
{
	size_t room;
	char *p = buf_reserve(k->buf, VALUE_MAX, &room);
	size_t n = PH_MIN(s.len, PH_MIN(room, (size_t)VALUE_MAX));

	if (p == NULL || n == 0)
		return;
	memcpy(p, s.p, n);
	if (lower)
		str_lower(p, n);
	k->at[v] = buf_len(k->buf);
	k->len[v] = n;
	buf_wrote(k->buf, n);
}

/* what the local part means: without its quotes (RFC 5321 4.1.2), up to '+' */
static struct str
user_of(struct str local, char text[VALUE_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < local.len && n < VALUE_MAX; i++) {
		char c = local.p[i];
		bool is_quoted = local.p[0] == '"';
		if (is_quoted && c == '"')
			continue;
		if (is_quoted && c == '\\' && i + 1 < local.len)
			c = local.p[++i];
		text[n++] = c;
	}
	local = str_from(text, n);
	return str_sub(local, 0, str_find(local, '+'));
}

static void
add_times(struct making *k)
{
	time_t now = (time_t)wall_sec(ev_wall());
	struct tm tm = {0};
	char text[MAIL_DATE_MAX + 32];

	localtime_r(&now, &tm);
	add(k, VALUE_CTIME,
	    str_from(text, strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm)), false);
	add(k, VALUE_ISODATE,
	    str_from(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S%z", &tm)), false);
	snprintf(text, sizeof text, "%lld", (long long)now);
	add(k, VALUE_TIMET, str_of(text), false);
	add(k, VALUE_RFCTIME, str_of(mail_date(ev_wall(), text)), false);
}

void
local_values(const struct mail *m, uint32_t i, const struct local_txn *t, bool keep_case,
    struct buf *buf, struct str values[COMMAND_VALUES])
{
	struct making k = {.buf = buf};
	struct str to = m->rcpts[i].address;
	size_t at = str_rfind(to, '@');
	char id[48], user[VALUE_MAX];

	buf_reset(buf);
	add(&k, VALUE_BODYTYPE, m->body == ENV_7BIT ? STR("7BIT") : STR("8BITMIME"), false);
	add(&k, VALUE_ENVID, m->envid, !keep_case);
	add(&k, VALUE_FROM, m->sender, !keep_case);
	add(&k, VALUE_TO, to, !keep_case);
	add(&k, VALUE_USER, user_of(str_sub(to, 0, at), user), true);
	add(&k, VALUE_DOMAIN, at == STR_NPOS ? STR("") : str_skip(to, at + 1), true);
	add_times(&k);
	snprintf(id, sizeof id, "%016llx.%u", (unsigned long long)t->head.place.id, t->idx[i]);
	add(&k, VALUE_ID, str_of(id), false);
	for (size_t v = 0; v < COMMAND_VALUES; v++)
		values[v] = str_from(buf->base + buf->head + k.at[v], k.len[v]);
}
