#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "tests/mxsim/names.h"
#include "tests/mxsim/sim.h"

#define STATS_MAX (64u * 1024 * 1024)

/* a JSON string */
static void
put_string(struct buf *b, const char *s)
{
	(void)buf_add_char(b, '"');
	for (; *s != '\0'; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch < ' ' || ch >= 127)
			(void)buf_addf(b, "\\u%04x", ch);
		else if (ch == '"' || ch == '\\')
			(void)buf_addf(b, "\\%c", ch);
		else
			(void)buf_add_char(b, (char)ch);
	}
	(void)buf_add_char(b, '"');
}

static void
put_u64(struct buf *b, const char *name, uint64_t v)
{
	(void)buf_addf(b, "\"%s\": %" PRIu64 ", ", name, v);
}

/* takes the last ", " away */
static void
close_object(struct buf *b, const char *end)
{
	struct str s = buf_str(b);

	if (str_has_suffix(s, STR(", ")))
		buf_truncate(b, s.len - 2);
	(void)buf_add_cstr(b, end);
}

static void
put_sources(struct buf *b, const struct provider *p)
{
	char text[NET_ADDR_TEXT];

	(void)buf_add_cstr(b, "\"sources\": [");
	for (size_t i = 0; i < p->n_sources; i++) {
		const struct source *s = &p->sources[i];

		if (s->connections == 0)
			continue;
		(void)buf_addf(
		    b, "{\"address\": \"%s\", \"ehlo\": ", net_addr_text(&s->addr, text));
		put_string(b, s->ehlo);
		(void)buf_addf(b, ", \"connections\": %" PRIu64 ", \"messages\": %" PRIu64 "}, ",
		    s->connections, s->messages);
	}
	close_object(b, "], ");
}

static void
put_mx(struct buf *b, const struct provider *p)
{
	(void)buf_add_cstr(b, "\"mx\": {");
	for (size_t i = 0; i < p->policy->n_mx; i++) {
		(void)buf_addf(b, "\"%s\": {", p->policy->mx[i].host);
		put_u64(b, "connections_total", p->mx[i].connections);
		put_u64(b, "connections", p->mx[i].now);
		put_u64(b, "connections_max", p->mx[i].max);
		put_u64(b, "messages", p->mx[i].messages);
		close_object(b, "}, ");
	}
	close_object(b, "}, ");
}

static void
put_provider(struct buf *b, const struct provider *p)
{
	put_string(b, p->policy->name);
	(void)buf_add_cstr(b, ": {");
	put_u64(b, "connections", p->n_conns);
	put_u64(b, "connections_max", p->max_conns);
	for (int i = 0; i < COUNT_MAX; i++)
		put_u64(b, count_name((enum count)i), p->counts[i]);
	put_u64(b, "peak_messages_per_s", p->peak_messages.max_second);
	put_u64(b, "peak_messages_per_min", p->peak_messages.max_minute);
	put_u64(b, "peak_connections_per_s", p->peak_connections.max_second);
	put_u64(b, "peak_connections_per_min", p->peak_connections.max_minute);
	(void)buf_add_cstr(b, "\"commands\": {");
	for (int i = 0; i < STEP_MAX; i++) {
		if (p->commands[i] > 0)
			put_u64(b, step_name((enum step)i), p->commands[i]);
	}
	close_object(b, "}, ");
	put_mx(b, p);
	put_sources(b, p);
	close_object(b, "},\n");
}

static void
put_names(struct buf *b, const struct names_counts *c)
{
	(void)buf_add_cstr(b, "\"names\": {");
	put_u64(b, "queries", c->queries);
	put_u64(b, "tcp", c->tcp);
	put_u64(b, "mx", c->mx);
	put_u64(b, "a", c->a);
	put_u64(b, "aaaa", c->aaaa);
	put_u64(b, "other", c->other);
	put_u64(b, "nxdomain", c->nxdomain);
	put_u64(b, "servfail", c->servfail);
	put_u64(b, "dropped", c->dropped);
	close_object(b, "}, ");
}

void
stats_write(struct sim *s, struct buf *b)
{
	const struct counter *c = &s->counter;

	(void)buf_add_char(b, '{');
	put_u64(b, "messages", c->n_messages);
	put_u64(b, "recipients", c->n_recipients);
	put_u64(b, "duplicates", c->n_duplicates);
	put_u64(b, "connections", s->n_conns);
	put_u64(b, "connections_max", s->max_conns);
	put_u64(b, "first_ns", (uint64_t)c->first_ns);
	put_u64(b, "last_ns", (uint64_t)c->last_ns);
	put_u64(b, "uptime_ms", (uint64_t)mono_diff_ms(s->started, ev_now()));
	if (s->names != NULL)
		put_names(b, names_counts(s->names));
	(void)buf_add_cstr(b, "\"providers\": {\n");
	for (size_t i = 0; i < s->n_providers; i++)
		put_provider(b, s->providers[i]);
	if (s->n_providers > 0)
		buf_truncate(b, buf_len(b) - 2);
	(void)buf_add_cstr(b, "}}\n");
}

void
stats_save(struct sim *s)
{
	struct buf b;
	char tmp[4096];
	int fd;

	if (s->options.stats == NULL)
		return;
	buf_init(&b, STATS_MAX);
	stats_write(s, &b);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", s->options.stats);
	fd = open(tmp, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
	if (fd >= 0) {
		if (write(fd, buf_str(&b).p, buf_len(&b)) == (ssize_t)buf_len(&b))
			(void)rename(tmp, s->options.stats);
		(void)close(fd);
	}
	buf_clear(&b);
}
