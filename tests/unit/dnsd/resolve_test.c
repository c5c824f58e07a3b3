/* RESOLVE in, addresses out: the real resolver library on the real loop, against a name server in the same loop. */
#include "dnsd/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/dnsd/message.h"
#include "tests/unit/dnsd/ports.h"

#define MAX_SEEN 300

/* what the server says to one question; the first row that fits */
struct zone {
	const char *name;
	unsigned type;
	void (*answer)(struct msg *m, const char *name);
};

struct server {
	struct ev_io udp, tcp, conn;
	uint16_t port;
	const struct zone *zone;
	unsigned rcode; /* to everything */
	bool is_silent;
	unsigned n_queries, n_tcp;
	bool saw_ad, saw_edns;
};

static struct {
	struct resolver r;
	struct ipc_chan *chan;
	struct server server[2];
	struct ev_timer guard;
	unsigned wanted, n_done;
	struct ipc_dns_done done[8];
	char why[200];
	struct ipc_dns_addr addr[MAX_SEEN];
	char host[MAX_SEEN][64];
	unsigned n_addrs, n_without;
} t;

/* ---- the name server ---- */

static void
say_nothing(struct msg *m, const char *name)
{
}

static size_t
answer_query(struct server *s, const uint8_t *q, size_t len, struct msg *m)
{
	char name[300] = "";
	size_t at = 12, n = 0;
	unsigned type;

	while (at < len && q[at] != 0) {
		n += (size_t)snprintf(
		    name + n, sizeof name - n, "%s%.*s", n > 0 ? "." : "", q[at], q + at + 1);
		at += 1u + q[at];
	}
	type = get_be16(q + at + 1);
	s->n_queries++;
	s->saw_ad = (q[3] & 0x20) != 0;
	s->saw_edns = get_be16(q + 10) == 1;
	begin(m, s->rcode, name, type);
	memcpy(m->b, q, 2);
	for (const struct zone *z = s->zone; z != NULL && z->name != NULL; z++) {
		if (strcmp(z->name, name) != 0 || z->type != type)
			continue;
		z->answer(m, name);
		return m->n;
	}
	if (s->rcode == 0) {
		m->b[3] |= 3;
		add_soa(m, "test", 100, 100);
	}
	return m->n;
}

static void
on_udp(struct ev_io *io, int what)
{
	struct server *s = ph_container_of(io, struct server, udp);
	static struct msg m;
	uint8_t q[600];
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	ssize_t n = recvfrom(io->fd, q, sizeof q, 0, (struct sockaddr *)&from, &len);

	if (n < 12 || answer_query(s, q, (size_t)n, &m) == 0 || s->is_silent)
		return;
	if (m.n > 512) { /* truncated */
		m.b[2] |= 2;
		m.n = (size_t)n;
		memcpy(m.b + 12, q + 12, (size_t)n - 12);
		put_be16(m.b + 6, 0);
		put_be16(m.b + 8, 0);
	}
	sendto(io->fd, m.b, m.n, 0, (struct sockaddr *)&from, len);
}

/* one question a connection, in one piece over loopback */
static void
on_tcp_data(struct ev_io *io, int what)
{
	struct server *s = ph_container_of(io, struct server, conn);
	static struct msg m;
	uint8_t q[600], len[2];
	int fd = io->fd;
	ssize_t n = read(fd, q, sizeof q);

	if (n > 14) {
		answer_query(s, q + 2, (size_t)n - 2, &m);
		put_be16(len, (uint16_t)m.n);
		assert_int_equal(write(fd, len, 2), 2);
		assert_int_equal(write(fd, m.b, m.n), m.n);
		return;
	}
	ev_io_stop(io);
	close(fd);
}

static void
on_tcp(struct ev_io *io, int what)
{
	struct server *s = ph_container_of(io, struct server, tcp);

	s->n_tcp++;
	ev_io_init(&s->conn, accept(io->fd, NULL, NULL), on_tcp_data);
	ev_io_want(&s->conn, EV_IN);
}

static void
server_open(struct server *s)
{
	int udp, tcp;

	s->port = bind_both(&tcp, &udp);
	ev_io_init(&s->udp, udp, on_udp);
	ev_io_init(&s->tcp, tcp, on_tcp);
	ev_io_want(&s->udp, EV_IN);
	ev_io_want(&s->tcp, EV_IN);
}

static void
server_close(struct server *s)
{
	int udp = s->udp.fd, tcp = s->tcp.fd;

	ev_io_stop(&s->udp);
	ev_io_stop(&s->tcp);
	close(udp);
	close(tcp);
}

/* ---- the asker ---- */

static void
on_guard(struct ev_timer *timer)
{
	ev_stop();
}

static void on_poll(struct ev_timer *timer);
static struct ev_timer poll_timer;

static void
collect(void)
{
	struct ipc_msg msg;

	while (t.r.queue != NULL && ipc_test_take(t.chan, &msg)) {
		if (msg.type == IPC_DNS_ADDR) {
			if (((const struct ipc_dns_addr *)msg.head)->addr.family == 0) {
				t.n_without++;
				continue;
			}
			t.addr[t.n_addrs] = *(const struct ipc_dns_addr *)msg.head;
			str_copy(t.host[t.n_addrs++], sizeof t.host[0], msg.text[0]);
		} else if (msg.type == IPC_DNS_DONE) {
			t.done[t.n_done++] = *(const struct ipc_dns_done *)msg.head;
			str_copy(t.why, sizeof t.why, msg.text[0]);
		}
	}
}

static void
on_poll(struct ev_timer *timer)
{
	collect();
	if (t.n_done >= t.wanted)
		ev_stop();
	else
		ev_timer_in_ms(&poll_timer, 2);
}

static bool
run_until_done(unsigned n, int64_t ms)
{
	t.wanted = n;
	ev_timer_in_ms(&t.guard, ms);
	ev_timer_in_ms(&poll_timer, 1);
	ev_run();
	ev_timer_stop(&t.guard);
	ev_timer_stop(&poll_timer);
	return t.n_done >= n;
}

static void
ask(uint32_t req, enum dns_kind kind, unsigned families, const char *name)
{
	struct ipc_resolve q = {.req = req, .kind = (uint8_t)kind, .families = (uint8_t)families};
	struct str text = str_of(name);

	ipc_test_deliver(t.chan, IPC_RESOLVE, &q, &text);
}

static enum dns_status
resolve(enum dns_kind kind, const char *name)
{
	t.n_done = t.n_addrs = t.n_without = 0;
	ask(1, kind, 3, name);
	if (!run_until_done(1, 60000))
		fail_msg("no answer for %s", name);
	assert_int_equal(t.done[0].req, 1);
	assert_int_equal(t.done[0].n_addrs, t.n_addrs);
	return t.done[0].status;
}

static void
use_servers(unsigned n)
{
	char text[100];
	struct why why;

	snprintf(text, sizeof text, n == 1 ? "127.0.0.1:%u" : "127.0.0.1:%u,127.0.0.1:%u",
	    t.server[0].port, t.server[1].port);
	if (lookup_set_servers(&t.r.lookup, str_of(text), &why) == -1)
		fail_msg("%s", why.text);
}

static int
setup(void **state)
{
	struct why why;

	memset(&t, 0, sizeof t);
	ev_init();
	ev_timer_init(&t.guard, on_guard);
	ev_timer_init(&poll_timer, on_poll);
	server_open(&t.server[0]);
	server_open(&t.server[1]);
	assert_int_equal(resolver_init(&t.r, 0, &why), 0);
	t.chan = ipc_chan_new_test(ROLE_DNS, ROLE_QUEUE, 0, &resolver_events, &t.r);
	resolver_queue_chan(&t.r, t.chan);
	use_servers(1);
	return 0;
}

static int
teardown(void **state)
{
	resolver_clear(&t.r);
	server_close(&t.server[0]);
	server_close(&t.server[1]);
	ev_fini();
	return 0;
}

/* ---- zones ---- */

static void
mx_three(struct msg *m, const char *name)
{
	add_mx(m, name, 60, 10, "a.x.test");
	add_mx(m, name, 60, 20, "c.x.test");
	add_mx(m, name, 60, 10, "b.x.test");
	add_mx(m, name, 60, 30, "a.x.test");
}
static void
a_one(struct msg *m, const char *name)
{
	add_a(m, name, 60, 1);
}
static void
a_two(struct msg *m, const char *name)
{
	add_a(m, name, 60, 1);
	add_a(m, name, 60, 2);
}
static void
a_zero_ttl(struct msg *m, const char *name)
{
	add_a(m, name, 0, 1);
}
static void
aaaa_one(struct msg *m, const char *name)
{
	size_t at = add_rr(m, ANSWER, name, WIRE_AAAA, 60);

	memset(m->b + m->n, 0, 16);
	m->b[m->n + 15] = 1;
	m->n += 16;
	end_rr(m, at);
}
static void
mx_null(struct msg *m, const char *name)
{
	add_mx(m, name, 60, 0, "");
}
static void
mx_nowhere(struct msg *m, const char *name)
{
	add_mx(m, name, 60, 10, "none.test");
	add_mx(m, name, 60, 20, "127.0.0.1");
}
static void
mx_half(struct msg *m, const char *name)
{
	add_mx(m, name, 60, 10, "broken.test");
	add_mx(m, name, 60, 20, "a.x.test");
}
static void
mx_broken(struct msg *m, const char *name)
{
	add_mx(m, name, 60, 10, "broken.test");
}
static void
servfail(struct msg *m, const char *name)
{
	m->b[3] |= 2;
}
static void
cname_mx(struct msg *m, const char *name)
{
	add_cname(m, name, 60, "x.test");
	mx_three(m, "x.test");
}
static void
mx_many(struct msg *m, const char *name)
{
	for (unsigned i = 0; i < 1000; i++) {
		char host[20];
		snprintf(host, sizeof host, "m%u.x.test", i);
		add_mx(m, name, 60, i, host);
	}
}
static void
a_many(struct msg *m, const char *name)
{
	for (unsigned i = 0; i < 2000; i++)
		add_a(m, name, 60, i);
}

static const struct zone zone[] = {
    {"x.test", WIRE_MX, mx_three},
    {"a.x.test", WIRE_A, a_two},
    {"a.x.test", WIRE_AAAA, aaaa_one},
    {"b.x.test", WIRE_A, a_one},
    {"c.x.test", WIRE_A, a_one},
    {"cname.test", WIRE_MX, cname_mx},
    {"implicit.test", WIRE_MX, say_nothing},
    {"implicit.test", WIRE_A, a_one},
    {"nothing.test", WIRE_MX, say_nothing},
    {"nothing.test", WIRE_A, say_nothing},
    {"nothing.test", WIRE_AAAA, say_nothing},
    {"null.test", WIRE_MX, mx_null},
    {"nowhere.test", WIRE_MX, mx_nowhere},
    {"half.test", WIRE_MX, mx_half},
    {"onlybroken.test", WIRE_MX, mx_broken},
    {"broken.test", WIRE_A, servfail},
    {"broken.test", WIRE_AAAA, servfail},
    {"servfail.test", WIRE_MX, servfail},
    {"zero.test", WIRE_A, a_zero_ttl},
    {"many.test", WIRE_MX, mx_many},
    {"m0.x.test", WIRE_A, a_one},
    {"big.test", WIRE_A, a_many},
    {"v6.test", WIRE_MX, say_nothing},
    {"v6.test", WIRE_AAAA, aaaa_one},
    {NULL, 0, NULL},
};

/* ---- the tests ---- */

static void
addresses_come_by_preference_and_equals_are_shuffled(void **state)
{
	unsigned a_first = 0;

	t.server[0].zone = zone;
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(resolve(DNS_MX, "x.test"), DNS_OK);
		assert_int_equal(t.n_addrs, 5);
		a_first += strcmp(t.host[0], "a.x.test") == 0;
		assert_string_equal(t.host[4], "c.x.test");
		assert_int_equal(t.addr[4].pref, 20);
	}
	assert_in_range(a_first, 60, 140);
	assert_int_equal(t.server[0].n_queries, 7);
	assert_true(t.server[0].saw_ad);
	assert_false(t.server[0].saw_edns);
	assert_in_range(t.done[0].ttl_s, 1, 60);
}

static void
each_outcome_has_its_status(void **state)
{
	static const struct {
		const char *name;
		enum dns_kind kind;
		enum dns_status status;
		unsigned n;
		unsigned without; /* exchangers that have no address */
	} cases[] = {
	    {"implicit.test", DNS_MX, DNS_OK, 1},
	    {"v6.test", DNS_MX, DNS_OK, 1},
	    {"cname.test", DNS_MX, DNS_OK, 5},
	    {"X.Test.", DNS_MX, DNS_OK, 5},
	    {"nothing.test", DNS_MX, DNS_NODATA, 0},
	    {"nothing.test", DNS_HOST, DNS_NODATA, 0},
	    {"a.x.test", DNS_HOST, DNS_OK, 3},
	    {"null.test", DNS_MX, DNS_NULL_MX, 0},
	    {"nowhere.test", DNS_MX, DNS_NO_ADDR, 0, 1},
	    {"half.test", DNS_MX, DNS_OK, 3, 1},
	    {"onlybroken.test", DNS_MX, DNS_SERVFAIL, 0, 1},
	    {"servfail.test", DNS_MX, DNS_SERVFAIL, 0},
	    {"absent.test", DNS_MX, DNS_NXDOMAIN, 0},
	    {"127.0.0.1", DNS_MX, DNS_BAD_NAME, 0},
	    {"a\nb.test", DNS_MX, DNS_BAD_NAME, 0},
	};

	t.server[0].zone = zone;
	for (size_t i = 0; i < countof(cases); i++) {
		enum dns_status s = resolve(cases[i].kind, cases[i].name);
		if (s != cases[i].status || t.n_addrs != cases[i].n ||
		    t.n_without != cases[i].without)
			fail_msg("%s: status %d with %u addresses, %u without (%s)", cases[i].name,
			    s, t.n_addrs, t.n_without, t.why);
	}
}

static void
many_askers_share_one_flight(void **state)
{
	t.server[0].zone = zone;
	for (uint32_t i = 0; i < 5; i++)
		ask(i, DNS_HOST, 1, "a.x.test");
	assert_true(run_until_done(5, 60000));
	assert_int_equal(t.server[0].n_queries, 1);
	assert_int_equal(t.n_addrs, 10);
}

static void
a_time_of_zero_serves_once_and_absence_is_remembered(void **state)
{
	t.server[0].zone = zone;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(resolve(DNS_HOST, "zero.test"), DNS_OK);
	assert_int_equal(t.server[0].n_queries, 3); /* A twice, the missing AAAA once */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(resolve(DNS_MX, "absent.test"), DNS_NXDOMAIN);
	assert_int_equal(t.server[0].n_queries, 4);
}

static void
clearing_makes_it_ask_again(void **state)
{
	struct ipc_empty e = {0};
	struct str names[] = {STR("Other.test"), STR("ABSENT.test"), STR("*")};

	t.server[0].zone = zone;
	for (unsigned i = 0; i < countof(names); i++) {
		assert_int_equal(resolve(DNS_MX, "absent.test"), DNS_NXDOMAIN);
		ipc_test_deliver(t.chan, IPC_DNS_CLEAR, &e, &names[i]);
		assert_int_equal(t.server[0].n_queries, i == 0 ? 1 : i);
	}
	assert_int_equal(cache_n(&t.r.lookup.cache), 0);
}

static void
truncated_answers_come_over_tcp_and_are_bounded(void **state)
{
	t.server[0].zone = zone;
	assert_int_equal(resolve(DNS_MX, "many.test"), DNS_OK);
	assert_int_equal(t.n_addrs, 1);
	assert_int_equal(t.server[0].n_tcp, 1);
	assert_int_equal(resolve(DNS_HOST, "big.test"), DNS_OK);
	assert_int_equal(t.n_addrs, RESOLVE_MAX_ADDRS);
}

static void
the_next_server_is_asked_when_one_fails(void **state)
{
	t.server[0].rcode = 5;
	t.server[1].zone = zone;
	use_servers(2);
	for (unsigned i = 0; i < 4; i++) {
		lookup_forget(&t.r.lookup, NULL);
		assert_int_equal(resolve(DNS_MX, "x.test"), DNS_OK);
	}
	assert_true(t.server[0].n_queries > 0);
	assert_true(t.server[1].n_queries > t.server[0].n_queries / 2);
}

static void
new_servers_get_the_questions_under_way(void **state)
{
	t.server[0].is_silent = true;
	t.server[1].zone = zone;
	t.n_done = t.n_addrs = 0;
	ask(1, DNS_HOST, 1, "a.x.test");
	assert_false(run_until_done(1, 100));
	t.server[0].port = t.server[1].port;
	use_servers(1);
	assert_true(run_until_done(1, 1500));
	assert_int_equal(t.n_addrs, 2);
}

static void
a_dead_server_is_a_temporary_failure_and_recovers(void **state)
{
	uint16_t alive = t.server[0].port;

	t.server[0].zone = zone;
	t.server[0].port = 1; /* nobody listens there */
	use_servers(1);
	assert_int_equal(resolve(DNS_MX, "x.test"), DNS_SERVFAIL);
	assert_in_range(t.done[0].ttl_s, 1, 10);
	t.server[0].port = alive;
	use_servers(1);
	assert_int_equal(resolve(DNS_MX, "x.test"), DNS_OK);
}

/* all its tries take fourteen seconds */
static void
a_silent_server_is_a_temporary_failure_for_all_who_asked(void **state)
{
	t.server[0].is_silent = true;
	t.n_done = 0;
	for (uint32_t i = 0; i < 3; i++)
		ask(i, DNS_MX, 3, "x.test");
	assert_true(run_until_done(3, 60000));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(t.done[i].status, DNS_TIMEOUT);
	assert_int_equal(t.server[0].n_queries, 3); /* tries, of one question */
}

static void
queued_may_go_at_any_time(void **state)
{
	struct ipc_chan *again;

	t.server[0].zone = zone;
	ask(1, DNS_MX, 3, "x.test");
	again = ipc_chan_new_test(ROLE_DNS, ROLE_QUEUE, 0, &resolver_events, &t.r);
	resolver_queue_chan(&t.r, again);
	t.chan = again;
	assert_int_equal(resolve(DNS_MX, "x.test"), DNS_OK);
	assert_int_equal(t.n_done, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(addresses_come_by_preference_and_equals_are_shuffled),
	    TEST(each_outcome_has_its_status),
	    TEST(many_askers_share_one_flight),
	    TEST(a_time_of_zero_serves_once_and_absence_is_remembered),
	    TEST(clearing_makes_it_ask_again),
	    TEST(truncated_answers_come_over_tcp_and_are_bounded),
	    TEST(the_next_server_is_asked_when_one_fails),
	    TEST(new_servers_get_the_questions_under_way),
	    TEST(a_dead_server_is_a_temporary_failure_and_recovers),
	    TEST(a_silent_server_is_a_temporary_failure_for_all_who_asked),
	    TEST(queued_may_go_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
