#include "acctd/source.h"

#include "lib/base/xalloc.h"

/* decoded values are shorter than the lines they stand in */
#define SCRATCH_MAX (1024 * 1024)

void
source_init(struct source *s, int spool_fd)
{
	*s = (struct source){.reader = spool_reader_new(spool_fd)};
	buf_init(&s->raw, SPOOL_MAX_ENV + SOURCE_HEADERS_MAX);
	buf_init(&s->scratch, SCRATCH_MAX);
}

void
source_clear(struct source *s)
{
	spool_reader_free(&s->reader);
	buf_clear(&s->raw);
	buf_clear(&s->scratch);
}

static bool
is_same_place(const struct spool_place *a, const struct spool_place *b)
{
	return a->id == b->id && a->kind == b->kind && a->writer == b->writer &&
	       a->segment == b->segment && a->generation == b->generation &&
	       a->offset == b->offset && a->env_len == b->env_len;
}

static struct str
envelope_lines(const struct source *s)
{
	return str_sub(buf_str(&s->raw), SPOOL_HEADER_LEN, s->place.env_len - SPOOL_HEADER_LEN);
}

static int
load_message(struct source *s, const struct spool_place *place, bool with_headers, struct why *why)
{
	size_t want = (size_t)place->env_len + (with_headers ? SOURCE_HEADERS_MAX : 0);

	s->is_loaded = s->has_rcpt = false;
	if (place->env_len < SPOOL_HEADER_LEN || place->env_len > SPOOL_MAX_ENV)
		return why_set(why, "The place of the message makes no sense.");
	if (spool_read(s->reader, place, want, &s->raw, NULL, NULL, why) == -1)
		return -1;
	if (buf_len(&s->raw) < place->env_len)
		return why_set(why, "The record ends inside its envelope.");
	s->place = *place;
	buf_reset(&s->scratch);
	if (!envelope_parse(envelope_lines(s), &s->env, &s->scratch, why))
		return -1;
	env_iter_init(&s->iter, envelope_lines(s));
	s->is_loaded = true;
	return 0;
}

int
source_load(struct source *s, const struct spool_place *place, uint32_t index, bool with_headers,
    struct why *why)
{
	if ((!s->is_loaded || !is_same_place(&s->place, place)) &&
	    load_message(s, place, with_headers, why) == -1)
		return -1;
	if (s->has_rcpt && s->rcpt_index == index)
		return 0;
	if (s->has_rcpt && s->rcpt_index > index)
		env_iter_init(&s->iter, envelope_lines(s));
	s->has_rcpt = false;
	while (env_iter_next(&s->iter, &s->rcpt_index, &s->rcpt)) {
		if (s->rcpt_index != index)
			continue;
		s->has_rcpt = true;
		return 0;
	}
	env_iter_init(&s->iter, envelope_lines(s));
	return why_set(why, "The envelope has no recipient %u.", index);
}

struct str
source_headers(const struct source *s)
{
	return str_skip(buf_str(&s->raw), s->place.env_len);
}
