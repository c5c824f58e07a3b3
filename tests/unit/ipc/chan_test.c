#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/ipc_int.h"

/* what one end saw */
struct end {
	struct ipc_chan *chan;
	unsigned n_msgs, n_fds, n_down, n_high, n_low;
	unsigned stop_after; /* messages until the loop stops */
	unsigned hold_after;
	uint32_t last_req;
	bool in_order;
	char text[256];
	char why[512];
	ino_t inode;
};

static void
note_fd(struct end *e, struct ipc_msg *m)
{
	struct stat st;

	assert_int_equal(fstat(m->fd, &st), 0);
	e->inode = st.st_ino;
	e->n_fds++;
	close(m->fd);
	m->fd = -1;
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	struct end *e = ipc_ctx(c);

	e->n_msgs++;
	assert_int_equal((uintptr_t)m->head % 8, 0);
	if (m->type == IPC_RESOLVE) {
		const struct ipc_resolve *r = m->head;
		e->in_order = e->in_order && r->req == e->last_req + 1;
		e->last_req = r->req;
	}
	if (m->type != IPC_READY && m->type != IPC_CONFIG_OK)
		str_copy(e->text, sizeof e->text, m->text[0]);
	if (m->fd != -1)
		note_fd(e, m);
	if (e->hold_after != 0 && e->n_msgs == e->hold_after)
		ipc_hold(c, true);
	if (e->stop_after != 0 && e->n_msgs == e->stop_after)
		ev_stop();
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct end *e = ipc_ctx(c);

	e->n_down++;
	str_copy(e->why, sizeof e->why, str_of(why->text));
	ipc_chan_free(&e->chan);
	ev_stop();
}

static void
on_pressure(struct ipc_chan *c, bool high)
{
	struct end *e = ipc_ctx(c);

	if (high)
		e->n_high++;
	else
		e->n_low++;
	if (!high)
		ev_stop();
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down, .pressure = on_pressure};

/* a loop that nothing ends is a failure, not a hang */
static void
on_too_late(struct ev_timer *t)
{
	fail_msg("the loop did not end");
}

static void
run(void)
{
	struct ev_timer t;

	ev_timer_init(&t, on_too_late);
	ev_timer_in_ms(&t, 60000);
	ev_run();
	ev_timer_stop(&t);
}

static void
make_pair(int fds[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void
connect_ends(struct end *a, enum ipc_role ra, struct end *b, enum ipc_role rb)
{
	int fds[2];

	make_pair(fds);
	*a = (struct end){.in_order = true};
	*b = (struct end){.in_order = true};
	a->chan = ipc_chan_new(fds[0], ra, rb, 1, &events, a);
	b->chan = ipc_chan_new(fds[1], rb, ra, 2, &events, b);
}

static void
free_ends(struct end *a, struct end *b)
{
	ipc_chan_free(&a->chan);
	ipc_chan_free(&b->chan);
}

static void
send_resolve(struct end *e, uint32_t req, struct str name)
{
	ipc_send(e->chan, IPC_RESOLVE,
	    &(struct ipc_resolve){.req = req, .kind = DNS_MX, .families = 3}, &name, -1);
}

static void
messages_arrive_in_order_with_their_texts(void **state)
{
	struct end q, d;
	char name[64];

	connect_ends(&q, ROLE_QUEUE, &d, ROLE_DNS);
	assert_int_equal(ipc_peer(q.chan), ROLE_DNS);
	assert_int_equal(ipc_peer_instance(q.chan), 1);
	for (uint32_t i = 1; i <= 20000; i++) {
		snprintf(name, sizeof name, "d%u.example", i);
		send_resolve(&q, i, str_of(name));
	}
	d.stop_after = 20000;
	run();
	assert_int_equal(d.n_msgs, 20000);
	assert_true(d.in_order);
	assert_string_equal(d.text, "d20000.example");
	assert_int_equal(d.n_down + q.n_down, 0);
	free_ends(&q, &d);
}

static void
texts_of_every_length_up_to_the_limit_pass(void **state)
{
	struct end q, d;
	static char big[IPC_MAX_FRAME];
	size_t max = IPC_MAX_FRAME - sizeof(struct ipc_frame) - sizeof(struct ipc_resolve) - 2;

	memset(big, 'x', sizeof big);
	connect_ends(&q, ROLE_QUEUE, &d, ROLE_DNS);
	for (uint32_t i = 0; i < 64; i++)
		send_resolve(&q, i + 1, str_from(big, i));
	for (uint32_t i = 0; i < 16; i++)
		send_resolve(&q, 64 + i + 1, str_from(big, max - 15 + i));
	d.stop_after = 80;
	run();
	assert_int_equal(d.n_msgs, 80);
	assert_true(d.in_order);
	free_ends(&q, &d);
}

static int
open_temp(ino_t *inode)
{
	struct stat st;
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	fclose(f);
	assert_int_equal(fstat(fd, &st), 0);
	*inode = st.st_ino;
	return fd;
}

static void
each_descriptor_arrives_with_its_own_message(void **state)
{
	struct end m, q;
	struct str path = STR("p");
	ino_t inode = 0;

	connect_ends(&m, ROLE_MASTER, &q, ROLE_QUEUE);
	for (unsigned i = 0; i < 200; i++) {
		int fd = open_temp(&inode);
		ipc_send(m.chan, IPC_GIVE_FD, &(struct ipc_fd){.kind = FD_SPOOL_DIR}, &path, fd);
		close(fd);
		for (unsigned k = 0; k < i % 4; k++)
			ipc_send(
			    m.chan, IPC_TAKE_FD, &(struct ipc_fd){.kind = FD_SPOOL_DIR}, &path, -1);
	}
	q.stop_after = 200 + 50 * (0 + 1 + 2 + 3);
	run();
	assert_int_equal(q.n_msgs, q.stop_after);
	assert_int_equal(q.n_fds, 200);
	assert_true(q.inode == inode);
	free_ends(&m, &q);
}

static void
a_descriptor_with_a_large_message_stays_with_it(void **state)
{
	static char big[60000];
	struct end m, q;
	ino_t inode = 0;

	memset(big, 'y', sizeof big);
	connect_ends(&m, ROLE_MASTER, &q, ROLE_QUEUE);
	for (unsigned i = 0; i < 40; i++) {
		struct str path = str_from(big, sizeof big - i);
		int fd = open_temp(&inode);
		ipc_send(m.chan, IPC_GIVE_FD, &(struct ipc_fd){.kind = FD_SPOOL_DIR}, &path, fd);
		close(fd);
	}
	q.stop_after = 40;
	run();
	assert_int_equal(q.n_fds, 40);
	assert_true(q.inode == inode);
	free_ends(&m, &q);
}

static void
what_was_sent_before_the_end_is_still_handed_out(void **state)
{
	struct end q, d;

	connect_ends(&q, ROLE_QUEUE, &d, ROLE_DNS);
	for (uint32_t i = 1; i <= 100; i++)
		send_resolve(&q, i, STR("x"));
	ipc_flush(q.chan);
	ipc_chan_free(&q.chan);
	/* d's own HELLO cannot be written any more: it must read on all the same */
	run();
	assert_int_equal(d.n_msgs, 100);
	assert_int_equal(d.n_down, 1);
	assert_null(d.chan);
}

static void
a_held_channel_reads_nothing_until_it_is_released(void **state)
{
	struct end q, d;

	connect_ends(&q, ROLE_QUEUE, &d, ROLE_DNS);
	for (uint32_t i = 1; i <= 1000; i++)
		send_resolve(&q, i, STR("x"));
	d.hold_after = d.stop_after = 10;
	run();
	assert_int_equal(d.n_msgs, 10);
	d.hold_after = 0;
	d.stop_after = 1000;
	ipc_hold(d.chan, false);
	run();
	assert_int_equal(d.n_msgs, 1000);
	assert_true(d.in_order);
	free_ends(&q, &d);
}

static void
the_producer_hears_of_pressure_and_of_its_end(void **state)
{
	static char big[32000];
	struct end q, d;

	connect_ends(&q, ROLE_QUEUE, &d, ROLE_DNS);
	for (uint32_t i = 1; i <= 300; i++)
		send_resolve(&q, i, str_from(big, sizeof big));
	assert_true(ipc_backlog(q.chan) > IPC_HIGH_MARK);
	run();
	assert_int_equal(q.n_high, 1);
	assert_int_equal(q.n_low, 1);
	d.stop_after = 300;
	if (d.n_msgs < 300)
		run();
	assert_int_equal(d.n_msgs, 300);
	free_ends(&q, &d);
}

static void
free_in_handler(struct ipc_chan *c, struct ipc_msg *m)
{
	struct end *e = ipc_ctx(c);

	e->n_msgs++;
	ipc_chan_free(&e->chan);
	ev_stop();
}

static void
a_channel_may_be_freed_in_its_own_handler(void **state)
{
	static const struct ipc_events freeing = {.msg = free_in_handler, .down = on_down};
	struct end q = {0}, d = {0};
	int fds[2];

	make_pair(fds);
	q.chan = ipc_chan_new(fds[0], ROLE_QUEUE, ROLE_DNS, 0, &events, &q);
	d.chan = ipc_chan_new(fds[1], ROLE_DNS, ROLE_QUEUE, 0, &freeing, &d);
	for (uint32_t i = 1; i <= 10; i++)
		send_resolve(&q, i, STR("x"));
	run();
	assert_int_equal(d.n_msgs, 1);
	assert_null(d.chan);
	assert_int_equal(d.n_down, 0);
	ipc_chan_free(&q.chan);
}

static void
without_a_loop_a_tool_asks_and_reads_the_answer(void **state)
{
	struct end b = {0};
	struct ipc_msg m;
	struct why why;
	struct ipc_chan *tool;
	int fds[2];

	make_pair(fds);
	tool = ipc_chan_new(fds[0], ROLE_CTL, ROLE_QUEUE, 0, NULL, NULL);
	b.chan = ipc_chan_new(fds[1], ROLE_QUEUE, ROLE_CTL, 0, &events, &b);
	ipc_send(tool, IPC_CTL_REQUEST, &(struct ipc_ctl_request){.command = 7},
	    (struct str[12]){{0}}, -1);
	assert_int_equal(ipc_flush_blocking(tool, 1000, &why), 0);
	b.stop_after = 1;
	run();
	ipc_send(b.chan, IPC_CTL_FIELD, NULL, (struct str[]){STR("path"), STR("value")}, -1);
	ipc_send(
	    b.chan, IPC_CTL_END, &(struct ipc_ctl_end){.ok = 1}, (struct str[]){STR("done")}, -1);
	ipc_flush(b.chan);
	assert_int_equal(ipc_read_blocking(tool, &m, 1000, &why), 0);
	assert_int_equal(m.type, IPC_CTL_FIELD);
	assert_true(str_eq(m.text[1], STR("value")));
	assert_int_equal(ipc_read_blocking(tool, &m, 1000, &why), 0);
	assert_int_equal(m.type, IPC_CTL_END);
	assert_int_equal(ipc_read_blocking(tool, &m, 10, &why), -1);
	assert_string_equal(why.text, "queued did not answer in time");
	ipc_chan_free(&b.chan);
	assert_int_equal(ipc_read_blocking(tool, &m, 1000, &why), -1);
	assert_string_equal(why.text, "queued is gone");
	ipc_chan_free(&tool);
}

static void
the_test_channel_takes_and_delivers(void **state)
{
	struct end e = {0};
	struct ipc_msg m;
	ino_t inode;
	int fd = open_temp(&inode);
	struct str text = STR("name");

	e.chan = ipc_chan_new_test(ROLE_QUEUE, ROLE_MASTER, 0, &events, &e);
	assert_false(ipc_test_take(e.chan, &m));
	ipc_send(e.chan, IPC_READY, NULL, NULL, -1);
	assert_true(ipc_test_take(e.chan, &m));
	assert_int_equal(m.type, IPC_READY);
	assert_false(ipc_test_take(e.chan, &m));
	ipc_test_deliver_fd(e.chan, IPC_GIVE_FD, &(struct ipc_fd){.kind = FD_LOG}, &text, fd);
	assert_int_equal(e.n_fds, 1);
	assert_true(e.inode == inode);
	ipc_test_deliver(e.chan, IPC_TAKE_FD, &(struct ipc_fd){.kind = FD_LOG}, &text);
	assert_int_equal(e.n_msgs, 2);
	ipc_test_down(e.chan);
	assert_int_equal(e.n_down, 1);
	assert_null(e.chan);
}

static void
without_a_free_descriptor_the_channel_ends_and_the_process_lives(void **state)
{
	struct end m, q;
	struct str path = STR("p");
	struct rlimit was, none;
	ino_t inode;
	int fd = open_temp(&inode);

	connect_ends(&m, ROLE_MASTER, &q, ROLE_QUEUE);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	ipc_send(m.chan, IPC_GIVE_FD, &(struct ipc_fd){.kind = FD_SPOOL_DIR}, &path, fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	run();
	assert_int_equal(m.n_down, 1);
	assert_non_null(strstr(m.why, "a descriptor for queued cannot be duplicated"));
	assert_int_equal(q.n_fds, 0);
	close(fd);
	free_ends(&m, &q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_arrive_in_order_with_their_texts),
	    cmocka_unit_test(texts_of_every_length_up_to_the_limit_pass),
	    cmocka_unit_test(each_descriptor_arrives_with_its_own_message),
	    cmocka_unit_test(a_descriptor_with_a_large_message_stays_with_it),
	    cmocka_unit_test(what_was_sent_before_the_end_is_still_handed_out),
	    cmocka_unit_test(a_held_channel_reads_nothing_until_it_is_released),
	    cmocka_unit_test(the_producer_hears_of_pressure_and_of_its_end),
	    cmocka_unit_test(a_channel_may_be_freed_in_its_own_handler),
	    cmocka_unit_test(without_a_loop_a_tool_asks_and_reads_the_answer),
	    cmocka_unit_test(without_a_free_descriptor_the_channel_ends_and_the_process_lives),
	    cmocka_unit_test(the_test_channel_takes_and_delivers),
	};

	ev_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
