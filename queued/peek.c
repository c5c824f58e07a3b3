#include "queued/peek.h"

#include "lib/spool/reader.h"
#include "queued/state.h"

static struct {
	struct buf record, scratch;
	struct envelope env;
	struct env_iter it;
	uint64_t id;
	uint32_t next; /* index behind `rcpt`, where the iterator stands */
	struct env_rcpt rcpt;
} last;

static bool
load(const struct message *m)
{
	struct spool_place p = message_place(m);
	struct why why;

	if (last.record.cap == 0) {
		buf_init(&last.record, SPOOL_MAX_ENV);
		buf_init(&last.scratch, SPOOL_MAX_ENV);
	}
	if (last.id == m->id)
		return true;
	last.id = 0;
	last.next = UINT32_MAX;
	buf_reset(&last.scratch);
	if (spool_read(qd.reader, &p, p.env_len, &last.record, NULL, NULL, &why) == -1)
		return false;
	if (!envelope_parse(
		str_skip(buf_str(&last.record), SPOOL_HEADER_LEN), &last.env, &last.scratch, &why))
		return false;
	last.id = m->id;
	return true;
}

/* goes on from the last one where that is before it: all of a message are found in one pass */
static bool
find_rcpt(uint32_t index)
{
	uint32_t i;

	if (index < last.next)
		env_iter_init(&last.it, str_skip(buf_str(&last.record), SPOOL_HEADER_LEN));
	while (env_iter_next(&last.it, &i, &last.rcpt)) {
		last.next = i + 1;
		if (i == index)
			return true;
	}
	last.next = UINT32_MAX;
	return false;
}

bool
peek_rcpt(const struct rcpt *r, struct str *address, struct str *sender, struct str *envid)
{
	if (!load(message_at(r->message)) || !find_rcpt(r->index))
		return false;
	*address = last.rcpt.address;
	*sender = last.env.sender;
	*envid = last.env.envid;
	return true;
}
