#include "tests/mxsim/count.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

int
counter_open(struct counter *c, const char *log, const char *dump, struct why *why)
{
	memset(c, 0, sizeof(*c));
	c->dump_fd = -1;
	if (log != NULL && (c->log = fopen(log, "ae")) == NULL)
		return why_errno(why, "cannot open %s", log);
	if (dump == NULL)
		return 0;
	if (mkdir(dump, 0755) < 0 && errno != EEXIST)
		return why_errno(why, "cannot make %s", dump);
	c->dump_fd = open(dump, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return c->dump_fd < 0 ? why_errno(why, "cannot open %s", dump) : 0;
}

void
counter_flush(struct counter *c)
{
	if (c->log != NULL)
		(void)fflush(c->log);
}

void
counter_close(struct counter *c)
{
	if (c->log != NULL)
		(void)fclose(c->log);
	if (c->dump_fd >= 0)
		(void)close(c->dump_fd);
	table64_clear(&c->seen);
	c->log = NULL;
	c->dump_fd = -1;
}

/* a column of the log: blanks and what does not print become '?' */
static void
put_column(FILE *f, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		(void)putc_unlocked(ch <= ' ' || ch == 127 ? '?' : ch, f);
	}
	(void)putc_unlocked('\t', f);
}

static void
write_line(struct counter *c, const struct accepted *a, struct str rcpt, int64_t times)
{
	FILE *f = c->log;

	(void)fprintf(f, "%" PRId64 "\t%" PRIu64 "\t", a->when.ns / 1000, a->number);
	put_column(f, str_of(a->provider->policy->name));
	put_column(f, rcpt);
	put_column(f, a->id);
	(void)fprintf(f, "%016" PRIx64 "\t%" PRIu64 "\t", a->body_hash, a->size);
	put_column(f, a->peer);
	put_column(f, a->ehlo);
	put_column(f, a->sender);
	(void)fprintf(f, "%s\t%" PRId64 "\n", a->tls ? "tls" : "-", times);
}

void
counter_add(struct counter *c, const struct accepted *a, struct str rcpt)
{
	char text[NET_ADDR_TEXT + 1024];
	size_t len = str_copy(text, sizeof(text), rcpt);
	uint64_t seed = a->id.len > 0 ? XXH3_64bits(a->id.p, a->id.len) : a->body_hash;
	int64_t *times;

	len = PH_MIN(len, sizeof(text) - 1);
	str_lower(text, len);
	times = table64_at(&c->seen, XXH3_64bits_withSeed(text, len, seed));
	(*times)++;
	c->n_recipients++;
	provider_count(a->provider, COUNT_recipients, 1);
	if (*times > 1) {
		c->n_duplicates++;
		provider_count(a->provider, COUNT_duplicates, 1);
	}
	if (c->log != NULL)
		write_line(c, a, rcpt, *times);
}

void
counter_add_message(struct counter *c, const struct accepted *a)
{
	c->n_messages++;
	c->first_ns = c->first_ns == 0 ? a->when.ns : c->first_ns;
	c->last_ns = a->when.ns;
	provider_count(a->provider, COUNT_messages, 1);
	provider_count(a->provider, COUNT_bytes, a->size);
}
