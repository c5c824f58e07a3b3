#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "tests/mxsim/conn.h"
#include "tests/mxsim/control.h"
#include "tests/mxsim/names.h"

#define POLICY_MAX  (4u * 1024 * 1024)
#define ACCEPTS_MAX 64 /* a turn of the loop */

static const char usage[] = "usage: mxsim [-v] [-c control-socket] [-d dump-folder] [-l log] [-s "
			    "statistics.json] policy-file\n";

static int
read_file(const char *path, struct buf *b, struct why *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p;
	size_t room;
	ssize_t n = 0;

	if (fd < 0)
		return why_errno(why, "cannot open %s", path);
	while ((p = buf_reserve(b, 65536, &room)) != NULL && (n = read(fd, p, room)) > 0)
		buf_wrote(b, (size_t)n);
	(void)close(fd);
	return p == NULL || n < 0 ? why_set(why, "cannot read %s", path) : 0;
}

/* ---- listeners ---- */

static void
on_accept(struct ev_io *io, int what)
{
	struct listener *l = ph_container_of(io, struct listener, io);

	for (int i = 0; i < ACCEPTS_MAX; i++) {
		struct sockaddr_storage ss;
		struct net_addr peer = {0};
		socklen_t len = sizeof(ss);
		int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (net_from_sockaddr((struct sockaddr *)&ss, len, &peer))
			conn_new(l, fd, &peer);
		else
			(void)close(fd);
	}
}

static int
listen_on(const struct net_addr *a, struct why *why)
{
	static const int yes = 1;
	struct sockaddr_storage ss;
	socklen_t len = net_to_sockaddr(a, &ss);
	char text[NET_ADDR_TEXT];
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return why_errno(why, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (ss.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, 4096) < 0) {
		(void)why_errno(why, "cannot listen on %s", net_addr_text_port(a, text));
		(void)close(fd);
		return -1;
	}
	return fd;
}

static bool
is_same_address(const struct net_addr *a, const struct net_addr *b)
{
	return net_addr_eq(a, b) && a->port == b->port;
}

static struct listener *
find_listener(struct sim *s, const struct net_addr *a)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		if (is_same_address(&s->listeners[i]->addr, a))
			return s->listeners[i];
	}
	if (s->n_listeners == countof(s->listeners))
		fatal("too many addresses");
	s->listeners[s->n_listeners] = xcalloc(1, sizeof(struct listener));
	s->listeners[s->n_listeners]->addr = *a;
	s->listeners[s->n_listeners]->fd = -1;
	return s->listeners[s->n_listeners++];
}

static int
open_listener(struct sim *s, struct provider *p, size_t mx, struct net_addr a, struct why *why)
{
	struct listener *l;

	a.port = p->policy->port > 0 ? p->policy->port : s->policy->port;
	l = find_listener(s, &a);
	l->sim = s;
	l->provider = p;
	l->mx = mx;
	if (l->fd >= 0)
		return 0;
	l->fd = listen_on(&a, why);
	if (l->fd < 0)
		return -1;
	ev_io_init(&l->io, l->fd, on_accept);
	ev_io_want(&l->io, EV_IN);
	return 0;
}

static int
open_provider(struct sim *s, struct provider *p, struct why *why)
{
	for (size_t m = 0; m < p->policy->n_mx; m++) {
		for (size_t i = 0; i < p->policy->mx[m].n_addr && !p->policy->mx[m].is_down; i++) {
			if (open_listener(s, p, m, p->policy->mx[m].addr[i], why) < 0)
				return -1;
		}
	}
	return 0;
}

static void
close_listener(struct listener *l)
{
	if (l->fd < 0)
		return;
	ev_io_stop(&l->io);
	(void)close(l->fd);
	l->fd = -1;
}

/* Closes what the policy in force no longer has. */
static void
close_unwanted(struct sim *s)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		struct listener *l = s->listeners[i];
		const struct provider_policy *p = l->provider->policy;
		bool wanted = false;
		uint16_t port = p->port > 0 ? p->port : s->policy->port;

		for (size_t m = 0; m < p->n_mx && !p->is_down; m++) {
			for (size_t a = 0; a < p->mx[m].n_addr && !p->mx[m].is_down; a++)
				wanted |= net_addr_eq(&p->mx[m].addr[a], &l->addr) &&
					  port == l->addr.port;
		}
		if (!wanted)
			close_listener(l);
	}
}

/* ---- the policy ---- */

static struct provider *
provider_named(struct sim *s, const struct provider_policy *policy)
{
	for (size_t i = 0; i < s->n_providers; i++) {
		if (str_eq(str_of(s->providers[i]->policy->name), str_of(policy->name)))
			return s->providers[i];
	}
	if (s->n_providers == PROVIDER_MAX)
		fatal("too many providers");
	s->providers[s->n_providers] = provider_new(policy, (uint32_t)s->n_providers);
	return s->providers[s->n_providers++];
}

/* A provider that the new policy does not have keeps its old one, so that its connections and counts stay; it is down. */
static int
put_in_force(struct sim *s, struct policy *policy, struct why *why)
{
	s->policy = policy;
	for (size_t i = 0; i < policy->n_providers; i++) {
		struct provider *p = provider_named(s, policy->providers[i]);

		if (p->policy != policy->providers[i])
			memset(p->rule_seen, 0, sizeof(p->rule_seen));
		p->policy = policy->providers[i];
		if (!p->policy->is_down && open_provider(s, p, why) < 0)
			return -1;
	}
	close_unwanted(s);
	if (s->names != NULL)
		names_set_policy(s->names, policy);
	else if (policy->name_server.family != 0 && (s->names = names_new(policy, why)) == NULL)
		return -1;
	return 0;
}

int
sim_load(struct sim *s, struct why *why)
{
	struct policy *policy;
	struct buf b;

	buf_init(&b, POLICY_MAX);
	if (read_file(s->options.policy, &b, why) < 0) {
		buf_clear(&b);
		return -1;
	}
	policy = policy_read(buf_str(&b), why);
	buf_clear(&b);
	/* an old policy is never freed: connections and providers that went away still point into it */
	return policy == NULL ? -1 : put_in_force(s, policy, why);
}

/* ---- the process ---- */

static void
on_signal(int signo, void *arg)
{
	struct sim *s = arg;
	struct why why = {0};

	counter_flush(&s->counter);
	stats_save(s);
	if (signo == SIGTERM || signo == SIGINT)
		ev_stop();
	if (signo == SIGHUP && sim_load(s, &why) < 0)
		log_error("policy refused: %s", why.text);
}

static void
raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void
read_options(int argc, char **argv, struct sim_options *o)
{
	int c;

	while ((c = getopt(argc, argv, "c:d:l:s:v")) != -1) {
		switch (c) {
		case 'c':
			o->control = optarg;
			break;
		case 'd':
			o->dump = optarg;
			break;
		case 'l':
			o->log = optarg;
			break;
		case 's':
			o->stats = optarg;
			break;
		case 'v':
			o->verbose = true;
			break;
		default:
			(void)fputs(usage, stderr);
			exit(EXIT_FAILURE);
		}
	}
	if (optind + 1 != argc) {
		(void)fputs(usage, stderr);
		exit(EXIT_FAILURE);
	}
	o->policy = argv[optind];
}

static int
start(struct sim *s, struct why *why)
{
	s->tls = tls_context_new(why);
	if (s->tls == NULL || counter_open(&s->counter, s->options.log, s->options.dump, why) < 0 ||
	    sim_load(s, why) < 0)
		return -1;
	if (s->options.control != NULL &&
	    (s->control = control_new(s, s->options.control, why)) == NULL)
		return -1;
	return 0;
}

static void
finish(struct sim *s)
{
	stats_save(s);
	counter_close(&s->counter);
	control_free(&s->control);
	names_free(&s->names);
	for (size_t i = 0; i < s->n_listeners; i++)
		close_listener(s->listeners[i]);
}

int
main(int argc, char **argv)
{
	static struct sim sim;
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
	struct why why = {0};

	read_options(argc, argv, &sim.options);
	log_init("mxsim", sim.options.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	raise_files();
	ev_init();
	sim.started = ev_now();
	for (size_t i = 0; i < countof(signals); i++)
		ev_signal(signals[i], on_signal, &sim);
	if (start(&sim, &why) < 0)
		fatal("%s", why.text);
	(void)puts("ready");
	(void)fflush(stdout);
	ev_run();
	finish(&sim);
	return 0;
}
