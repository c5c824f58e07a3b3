#include "dnsd/precache.h"

#include <stdio.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* domains of which questions go out in one turn, and the time between turns: name servers are not flooded */
#define DOMAINS_A_TURN 20
#define TURN_MS	       50
/* the exchangers' names are there by then */
#define HOSTS_AFTER_MS 3000
/* kept so much longer than the interval, so that a slow answer finds the old one still there */
#define GRACE_S 60

static uint32_t
keep_s(const struct precache *p)
{
	return (uint32_t)(p->interval_ms / 1000) + GRACE_S;
}

static void
ask_hosts(struct precache *p, const char *name)
{
	struct wire_answer a;

	if (!lookup_known(p->lookup, name, WIRE_MX, &a))
		return;
	if (a.n == 0) { /* its own addresses are used */
		lookup_keep(p->lookup, name, WIRE_A, keep_s(p));
		lookup_keep(p->lookup, name, WIRE_AAAA, keep_s(p));
	}
	for (size_t i = 0; i < a.n; i++) {
		if (a.rr.mx[i].host[0] == '\0' || a.rr.mx[i].host[0] == '.')
			continue;
		lookup_keep(p->lookup, a.rr.mx[i].host, WIRE_A, keep_s(p));
		lookup_keep(p->lookup, a.rr.mx[i].host, WIRE_AAAA, keep_s(p));
	}
}

static void
on_timer(struct ev_timer *t)
{
	struct precache *p = ph_container_of(t, struct precache, timer);

	for (int i = 0; i < DOMAINS_A_TURN && p->next < p->n; i++, p->next++) {
		if (p->asks_hosts)
			ask_hosts(p, p->names[p->next]);
		else
			lookup_keep(p->lookup, p->names[p->next], WIRE_MX, keep_s(p));
	}
	if (p->next < p->n) {
		ev_timer_in_ms(t, TURN_MS);
		return;
	}
	p->next = 0;
	p->asks_hosts = !p->asks_hosts;
	ev_timer_in_ms(
	    t, p->asks_hosts ? HOSTS_AFTER_MS : PH_MAX(p->interval_ms - HOSTS_AFTER_MS, 1000));
}

static void
add(struct precache *p, struct str line)
{
	char name[WIRE_NAME_MAX];
	size_t comment = str_find(line, '#');

	line = str_trim(comment == STR_NPOS ? line : str_sub(line, 0, comment));
	if (line.len == 0)
		return;
	if (!wire_name_normal(line, name)) {
		log_warn("event=precache text=\"%.*s is no domain name\"",
		    STR_ARG(str_sub(line, 0, 100)));
		return;
	}
	p->names = xreallocarray(p->names, p->n + 1, sizeof *p->names);
	p->names[p->n++] = xstrdup(name);
}

void
precache_init(
    struct precache *p, struct lookup *l, const char *path, int64_t interval_ms, uint32_t max)
{
	char line[1024];
	FILE *f;

	*p = (struct precache){.lookup = l, .interval_ms = PH_MAX(interval_ms, (int64_t)1000)};
	ev_timer_init(&p->timer, on_timer);
	if (path == NULL || path[0] == '\0')
		return;
	f = fopen(path, "re");
	if (f == NULL) {
		log_error("event=precache text=\"%s cannot be read\"", path);
		return;
	}
	while (p->n < max && fgets(line, sizeof line, f) != NULL)
		add(p, str_trim(str_of(line)));
	if (p->n == max && fgets(line, sizeof line, f) != NULL)
		log_warn("event=precache text=\"%s has more than precached-max-domains\"", path);
	fclose(f);
}

void
precache_clear(struct precache *p)
{
	ev_timer_stop(&p->timer);
	for (uint32_t i = 0; i < p->n; i++)
		free(p->names[i]);
	xfree(&p->names);
	p->n = 0;
}

void
precache_refresh(struct precache *p)
{
	if (p->n == 0)
		return;
	p->next = 0;
	p->asks_hosts = false;
	ev_timer_in_ms(&p->timer, 0);
}

void
precache_show(const struct precache *p, struct buf *b)
{
	struct wire_answer a;

	for (uint32_t i = 0; i < p->n; i++) {
		bool known = lookup_known(p->lookup, p->names[i], WIRE_MX, &a);
		if (buf_addf(b, "%-40s %3zu exchangers %6u s\n", p->names[i], known ? a.n : 0,
			known ? a.ttl_s : 0) == -1)
			return;
	}
	(void)buf_addf(b, "%u precached domain(s).", p->n);
}
