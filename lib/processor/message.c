/* A record of the spool as the message that somebody sent. */
#include "lib/processor/processor_int.h"

static struct str
envelope_lines(const struct reading *rd)
{
	return str_sub(
	    buf_str(&rd->p->raw), SPOOL_HEADER_LEN, rd->what->place.env_len - SPOOL_HEADER_LEN);
}

static int
find_rcpt(struct reading *rd, struct why *why)
{
	struct env_iter it;
	struct env_rcpt r;
	uint32_t index;

	env_iter_init(&it, envelope_lines(rd));
	while (env_iter_next(&it, &index, &r)) {
		if (index != rd->what->rcpt)
			continue;
		(void)str_copy(rd->rcpt, sizeof rd->rcpt, r.address);
		return 0;
	}
	return why_set(why, "The envelope has no recipient %u.", rd->what->rcpt);
}

/* Takes out, where it lies, the dots that stuffing added: the first of a line. */
static size_t
unstuff(char *p, size_t len)
{
	size_t to = 0;
	bool at_start = true;

	for (size_t i = 0; i < len; i++) {
		if (at_start && p[i] == '.' && i + 1 < len) {
			at_start = false;
			continue;
		}
		at_start = p[i] == '\n';
		p[to++] = p[i];
	}
	return to;
}

int
message_read(struct reading *rd, struct why *why)
{
	struct processor *p = rd->p;
	const struct spool_place *place = &rd->what->place;
	size_t want = (size_t)PH_MIN(place->len, (uint64_t)place->env_len + PROCESSOR_MAX_READ);

	if (place->env_len <= SPOOL_HEADER_LEN || place->env_len > SPOOL_MAX_ENV)
		return why_set(why, "The place of the message makes no sense.");
	if (spool_read(p->reader, place, want, &p->raw, NULL, NULL, why) == -1)
		return -1;
	if (buf_len(&p->raw) < place->env_len)
		return why_set(why, "The record ends inside its envelope.");
	buf_reset(&p->scratch);
	if (!envelope_parse(envelope_lines(rd), &rd->env, &p->scratch, why) ||
	    find_rcpt(rd, why) == -1)
		return -1;
	rd->message = str_skip(buf_str(&p->raw), place->env_len);
	if (rd->env.n_dots > 0)
		rd->message.len =
		    unstuff(p->raw.base + p->raw.head + place->env_len, rd->message.len);
	return 0;
}

int
processor_read(
    struct processor *p, const struct ipc_process *what, struct str *message, struct why *why)
{
	struct reading rd = {.p = p, .what = what};

	if (message_read(&rd, why) == -1)
		return -1;
	*message = rd.message;
	return 0;
}
