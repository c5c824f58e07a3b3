#include "bounced/copy.h"

#include <unistd.h>

#include "lib/ev/ev.h"
#include "lib/mail/header.h"

#define MAX_COPIES 1000
#define SLICE	   (256u * 1024)
#define FIELD	   "Delivered-To"

struct making {
	struct composer *c;
	struct journal *j;
	const struct ipc_copy *what;
	struct envelope env;
	char was_for[512];
	char field[600];
	int fd;		 /* where the message lies, of the reader's */
	uint64_t offset; /* and from where on */
	uint64_t id, len;
};

static struct str
lines_of(const struct making *m)
{
	return str_sub(
	    buf_str(&m->c->raw), SPOOL_HEADER_LEN, m->what->place.env_len - SPOOL_HEADER_LEN);
}

static int
find_rcpt(struct making *m, struct why *why)
{
	struct env_iter it;
	struct env_rcpt r;
	uint32_t index;

	env_iter_init(&it, lines_of(m));
	while (env_iter_next(&it, &index, &r)) {
		if (index != m->what->rcpt)
			continue;
		(void)str_copy(m->was_for, sizeof m->was_for, r.address);
		return 0;
	}
	return why_set(why, "The envelope has no recipient %u.", m->what->rcpt);
}

static int
read_original(struct making *m, struct why *why)
{
	const struct spool_place *place = &m->what->place;
	struct composer *c = m->c;

	if (place->env_len <= SPOOL_HEADER_LEN || place->env_len > SPOOL_MAX_ENV ||
	    place->len < place->env_len)
		return why_set(why, "The place of the message makes no sense.");
	if (spool_read(c->reader, place, (size_t)place->env_len + COMPOSE_MAX_HEADERS, &c->raw,
		&m->fd, &m->offset, why) == -1)
		return -1;
	if (buf_len(&c->raw) < place->env_len)
		return why_set(why, "The record ends inside its envelope.");
	buf_reset(&c->scratch);
	if (!envelope_parse(lines_of(m), &m->env, &c->scratch, why))
		return -1;
	m->len = place->len - place->env_len;
	return find_rcpt(m, why);
}

/* what was forwarded and came back is not forwarded again */
static bool
was_here(const struct making *m)
{
	struct header_iter it;
	struct header_field f;
	char value[512];

	header_iter_init(&it, str_skip(buf_str(&m->c->raw), m->what->place.env_len));
	while (header_next(&it, &f)) {
		if (!str_ieq(f.name, STR(FIELD)))
			continue;
		(void)header_unfold(f.value, value, sizeof value);
		if (str_ieq(str_of(value), str_of(m->was_for)))
			return true;
	}
	return false;
}

static int
add_rcpt(struct making *m, struct str address, uint32_t *n)
{
	struct env_rcpt r = {.address = address, .notify = NOTIFY_NEVER};

	if (address.len == 0 || *n == MAX_COPIES)
		return 0;
	++*n;
	return envelope_write_rcpt(&m->c->message, &r);
}

/* Recipients into c->message, then the envelope's lines in front of them into c->env. Their number, or -1. */
static int
build_envelope(struct making *m, const struct str texts[2])
{
	struct envelope e = m->env;
	struct str rest = texts[0], one;
	uint32_t n = 0;

	buf_reset(&m->c->message);
	buf_reset(&m->c->env);
	if (m->what->also && add_rcpt(m, str_of(m->was_for), &n) == -1)
		return -1;
	while (rest.len > 0 && str_next(&rest, ',', &one))
		if (add_rcpt(m, str_trim(one), &n) == -1)
			return -1;
	e.id = m->id;
	e.accepted = ev_wall();
	e.n_rcpts = n;
	e.body_len = strlen(m->field) + m->len;
	e.vmta = texts[1];
	e.pool = e.windows = e.dkim = e.lists = STR("");
	e.not_before = e.expires = (struct wall){0};
	e.is_report = e.no_dsn = e.is_processed = true;
	e.verp = false;
	if (envelope_write(&m->c->env, &e) == -1 ||
	    buf_add_str(&m->c->env, buf_str(&m->c->message)) == -1)
		return -1;
	return (int)n;
}

/* ---- into the journal ---- */

static int
read_piece(struct making *m, uint64_t at, size_t want, struct why *why)
{
	size_t room;
	char *p = buf_reserve(&m->c->message, want, &room);
	ssize_t n = p == NULL ? -1 : pread(m->fd, p, want, (off_t)(m->offset + at));

	if (n <= 0)
		return why_set(why, "The message cannot be read.");
	buf_wrote(&m->c->message, (size_t)n);
	return 0;
}

static int
store_small(struct making *m, void *token, struct why *why)
{
	buf_reset(&m->c->message);
	(void)buf_add_cstr(&m->c->message, m->field);
	for (uint64_t at = 0; at < m->len; at = buf_len(&m->c->message) - strlen(m->field))
		if (read_piece(m, at, (size_t)(m->len - at), why) == -1)
			return -1;
	journal_append(m->j, m->id, buf_str(&m->c->env), buf_str(&m->c->message), token);
	return 0;
}

static int
store_large(struct making *m, void *token, struct why *why)
{
	struct journal_large *l = journal_large_start(m->j, m->id, buf_len(&m->c->env) + 1024, why);

	if (l == NULL || journal_large_write(l, str_of(m->field), why) == -1)
		goto fail;
	for (uint64_t at = 0; at < m->len; at += buf_len(&m->c->message)) {
		buf_reset(&m->c->message);
		if (read_piece(m, at, (size_t)PH_MIN(m->len - at, (uint64_t)SLICE), why) == -1 ||
		    journal_large_write(l, buf_str(&m->c->message), why) == -1)
			goto fail;
	}
	journal_large_commit(&l, buf_str(&m->c->env), token);
	return 0;
fail:
	if (l != NULL)
		journal_large_abort(&l);
	return -1;
}

int
copy_store(struct composer *c, struct journal *j, const struct ipc_copy *what,
    const struct str texts[2], void *token, struct why *why)
{
	struct making m = {.c = c, .j = j, .what = what, .fd = -1};
	int n, r;

	if (read_original(&m, why) == -1)
		return -1;
	if (was_here(&m))
		return 0;
	m.id = journal_new_id(j);
	(void)snprintf(m.field, sizeof m.field, FIELD ": %s\r\n", m.was_for);
	n = build_envelope(&m, texts);
	if (n <= 0)
		return n == 0 ? 0 : why_set(why, "The envelope of the copy would be too long.");
	r = m.len + strlen(m.field) < SPOOL_LARGE_BYTES ? store_small(&m, token, why)
							: store_large(&m, token, why);
	return r == -1 ? -1 : 1;
}
