/* From a record of the spool to a struct mail; a record that breaks its contract is refused by
 * name. */
#include <fcntl.h>
#include <unistd.h>

#include "deliverd/mail.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/spool/reader.h"

#define MAX_SCRATCH (8u * 1024u * 1024u)

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

/* Bytes into the scratch; the offset, for views that are made when it no longer moves. -1: full. */
static int
keep(struct buf *scratch, struct str s, size_t *at)
{
	*at = buf_len(scratch);
	return buf_add_str(scratch, s);
}

static int
take_rcpts(struct mail *m, struct str env, const uint32_t *idx, uint32_t n, struct why *why)
{
	struct env_iter *it = xmalloc(sizeof *it);
	struct env_rcpt r;
	uint32_t at, done = 0;
	size_t *offsets = xcalloc(n, 2 * sizeof *offsets);
	int result = 0;

	env_iter_init(it, env);
	while (result == 0 && done < n && env_iter_next(it, &at, &r)) {
		if (at != idx[done])
			continue;
		if (has_control(r.address) || has_control(r.orcpt))
			result =
			    why_set(why, "recipient %u of the record has control characters", at);
		else if (keep(&m->scratch, r.address, &offsets[2 * done]) == -1 ||
			 keep(&m->scratch, r.orcpt, &offsets[2 * done + 1]) == -1)
			result = why_set(why, "recipients of one transaction are too long");
		m->rcpts[done] = (struct mail_rcpt){
		    .address.len = r.address.len, .orcpt.len = r.orcpt.len, .notify = r.notify};
		done++;
	}
	if (result == 0 && done < n)
		result = why_set(why, "record has no recipient %u", idx[done]);
	for (uint32_t i = 0; i < n && result == 0; i++) {
		m->rcpts[i].address.p = m->scratch.base + m->scratch.head + offsets[2 * i];
		m->rcpts[i].orcpt.p = m->scratch.base + m->scratch.head + offsets[2 * i + 1];
	}
	free(offsets);
	free(it);
	return result;
}

/* the envelope's texts that it keeps, at the front of its scratch in this order */
static const size_t kept[] = {offsetof(struct mail, sender), offsetof(struct mail, envid),
    offsetof(struct mail, pool), offsetof(struct mail, dkim_options), offsetof(struct mail, remove),
    offsetof(struct mail, track_job)};

static struct str *
kept_at(struct mail *m, size_t i)
{
	return (struct str *)(void *)((char *)m + kept[i]);
}

static int
take_envelope(struct mail *m, struct str env, const struct spool_place *place, struct buf *values,
    struct why *why)
{
	struct envelope e;
	const struct str *from[] = {&e.sender, &e.envid, &e.pool, &e.dkim, &e.remove, &e.job};
	size_t at;

	if (!envelope_parse(env, &e, values, why))
		return -1;
	if (e.id != place->id || e.n_dots > e.body_len || e.body_len != place->len - place->env_len)
		return why_set(why, "record and its place disagree");
	if (has_control(e.sender) || has_control(e.envid))
		return why_set(why, "envelope has control characters");
	m->stored_len = e.body_len;
	m->n_dots = e.n_dots;
	m->body = e.body;
	m->ret = e.ret;
	m->smtputf8 = e.smtputf8;
	m->verp = e.verp;
	m->date_late = e.date_late;
	_Static_assert(countof(from) == countof(kept), "one for each");
	for (size_t i = 0; i < countof(kept); i++) {
		if (keep(&m->scratch, *from[i], &at) == -1)
			return why_set(why, "envelope is too long");
		kept_at(m, i)->len = from[i]->len;
	}
	m->has_dkim_options = e.dkim.len > 0;
	return 0;
}

/* takes hold of the content where it lies: in the record that was read, or in the file */
static int
take_content(
    struct mail *m, const struct spool_place *place, int fd, uint64_t offset, struct why *why)
{
	char end[2] = {0, 0};
	struct str record = buf_str(&m->record);

	if (record.len >= place->len) {
		m->content = str_sub(record, place->env_len, (size_t)m->stored_len);
		m->ends_in_crlf = m->stored_len == 0 || str_has_suffix(m->content, STR("\r\n"));
		return 0;
	}
	m->offset = offset;
	/* the reader's own descriptor is gone at its next call */
	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (m->fd == -1)
		return why_errno(why, "cannot duplicate a descriptor of the spool");
	if (m->stored_len >= 2 && pread(m->fd, end, 2, (off_t)(offset + m->stored_len - 2)) != 2)
		return why_errno(why, "cannot read the end of the message");
	m->ends_in_crlf = m->stored_len == 0 || (end[0] == '\r' && end[1] == '\n');
	return 0;
}

static int
fill(struct mail *m, struct spool_reader *r, const struct spool_place *place, struct buf *values,
    struct why *why)
{
	size_t want = (size_t)(place->len <= MAIL_SMALL_BYTES ? place->len : place->env_len);
	int fd = -1;
	uint64_t offset = 0;
	struct str env;

	if (place->env_len <= SPOOL_HEADER_LEN || place->env_len > place->len)
		return why_set(why, "place has an envelope of %u bytes", place->env_len);
	if (spool_read(r, place, want, &m->record, &fd, &offset, why) == -1)
		return -1;
	env = str_sub(buf_str(&m->record), SPOOL_HEADER_LEN, place->env_len - SPOOL_HEADER_LEN);
	if (take_envelope(m, env, place, values, why) == -1)
		return -1;
	return take_content(m, place, fd, offset, why);
}

struct mail *
mail_load(struct spool_reader *r, const struct spool_place *place, const uint32_t *idx, uint32_t n,
    struct why *why)
{
	struct mail *m = xcalloc(1, sizeof *m);
	struct buf values;
	const char *at;
	struct str env;
	int result;

	m->fd = -1;
	buf_init(&m->record, (size_t)SPOOL_MAX_ENV + MAIL_SMALL_BYTES);
	buf_init(&m->scratch, MAX_SCRATCH);
	buf_init(&m->head, MAIL_MAX_HEAD);
	buf_init(&m->lead, 1);
	buf_init(&values, MAX_SCRATCH);
	m->rcpts = xcalloc(n, sizeof *m->rcpts);
	m->n_rcpts = n;
	result = fill(m, r, place, &values, why);
	buf_clear(&values);
	if (result == 0) {
		env = str_sub(
		    buf_str(&m->record), SPOOL_HEADER_LEN, place->env_len - SPOOL_HEADER_LEN);
		result = take_rcpts(m, env, idx, n, why);
	}
	if (result == -1) {
		mail_free(&m);
		return NULL;
	}
	/* the scratch begins with these, and no longer moves */
	at = m->scratch.base + m->scratch.head;
	for (size_t i = 0; i < countof(kept); i++) {
		kept_at(m, i)->p = at;
		at += kept_at(m, i)->len;
	}
	return m;
}
