/* what a peer that was taken over could send: each case must end the channel, and none may do more */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"
#include "lib/ipc/ipc_int.h"

struct victim {
	struct ipc_chan *chan;
	unsigned n_msgs, n_down;
	char why[512];
	int attacker;
};

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	((struct victim *)ipc_ctx(c))->n_msgs++;
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
	struct victim *v = ipc_ctx(c);

	v->n_down++;
	str_copy(v->why, sizeof v->why, str_of(why->text));
	ipc_chan_free(&v->chan);
	ev_stop();
}

static const struct ipc_events events = {.msg = on_msg, .down = on_down};

struct bytes {
	char p[2048];
	size_t n;
};

static void
put(struct bytes *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof b->p);
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static void
put_frame(struct bytes *b, uint32_t len, uint16_t type, uint16_t flags)
{
	put(b, &(struct ipc_frame){.len = len, .type = type, .flags = flags},
	    sizeof(struct ipc_frame));
}

static void
put_hello_of(struct bytes *b, uint64_t protocol, uint32_t role)
{
	const struct ipc_hello h = {.protocol = protocol, .role = role};

	put_frame(b, sizeof(struct ipc_frame) + sizeof h, IPC_HELLO, 0);
	put(b, &h, sizeof h);
}

static void
put_hello(struct bytes *b)
{
	put_hello_of(b, ipc_protocol_hash(), ROLE_MASTER);
}

/* a TAKE_FD whose one text claims `claimed` bytes and has `real`, padded to 8 with `pad` */
static void
put_take(struct bytes *b, uint16_t claimed, size_t real, char pad)
{
	const struct ipc_fd head = {.kind = FD_LOG};
	size_t len = sizeof(struct ipc_frame) + sizeof head + 2 + real,
	       whole = (len + 7) & ~(size_t)7;

	put_frame(b, (uint32_t)whole, IPC_TAKE_FD, 0);
	put(b, &head, sizeof head);
	put(b, &claimed, sizeof claimed);
	for (size_t i = 0; i < real; i++)
		put(b, "t", 1);
	for (; len < whole; len++)
		put(b, &pad, 1);
}

static void
open_victim(struct victim *v)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*v = (struct victim){.attacker = fds[1]};
	v->chan = ipc_chan_new(fds[0], ROLE_QUEUE, ROLE_MASTER, 0, &events, v);
}

static void
send_with_fds(int s, const void *p, size_t n, int n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	int fds[64];

	for (int i = 0; i < n_fds; i++)
		fds[i] = STDERR_FILENO;
	if (n_fds > 0) {
		control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int)),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.align), fds, (size_t)n_fds * sizeof(int));
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(s, &mh, 0), (ssize_t)n);
}

static void
on_too_late(struct ev_timer *t)
{
	fail_msg("the channel was not closed");
}

static void
expect_end(struct victim *v, int n_msgs, const char *why)
{
	struct ev_timer t;

	ev_timer_init(&t, on_too_late);
	ev_timer_in_ms(&t, 60000);
	ev_run();
	ev_timer_stop(&t);
	assert_int_equal(v->n_down, 1);
	if (n_msgs != -1)
		assert_int_equal(v->n_msgs, n_msgs);
	if (strstr(v->why, why) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", v->why, why);
	assert_null(v->chan);
	close(v->attacker);
}

static size_t
n_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

typedef void make_bytes(struct bytes *b);

static void
no_hello(struct bytes *b)
{
	put_take(b, 3, 3, 0);
}
static void
other_build(struct bytes *b)
{
	put_hello_of(b, ipc_protocol_hash() + 1, ROLE_MASTER);
}
static void
other_role(struct bytes *b)
{
	put_hello_of(b, ipc_protocol_hash(), ROLE_DELIVER);
}
static void
two_hellos(struct bytes *b)
{
	put_hello(b);
	put_hello(b);
}
static void
zero_length(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 0, IPC_TAKE_FD, 0);
}
static void
short_length(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 16, IPC_TAKE_FD, 0);
}
static void
huge_length(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 0xfffffff8u, IPC_TAKE_FD, 0);
}
static void
odd_length(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 37, IPC_TAKE_FD, 0);
}
static void
unknown_type(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 16, 9999, 0);
}
static void
wrong_sender(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 56, IPC_ACCEPTED, 0);
}
static void
text_longer_than_the_frame(struct bytes *b)
{
	put_hello(b);
	put_take(b, 60000, 3, 0);
}
static void
text_shorter_than_the_frame(struct bytes *b)
{
	put_hello(b);
	put_take(b, 3, 40, 0);
}
static void
padding_with_content(struct bytes *b)
{
	put_hello(b);
	put_take(b, 3, 3, 'p');
}
static void
flag_without_right(struct bytes *b)
{
	put_hello(b);
	put_frame(b, 48, IPC_TAKE_FD, IPC_FLAG_FD);
}
static void
missing_descriptor(struct bytes *b)
{
	const struct ipc_peer p = {.role = ROLE_DNS};

	put_hello(b);
	put_frame(b, 16, IPC_PEER, IPC_FLAG_FD);
	put(b, &p, sizeof p);
}
static void
good_then_bad(struct bytes *b)
{
	put_hello(b);
	put_take(b, 3, 3, 0);
	put_take(b, 5, 5, 0);
	put_frame(b, 16, 9999, 0);
}

static void
each_malformed_stream_ends_the_channel_with_its_reason(void **state)
{
	static const struct {
		make_bytes *make;
		int n_msgs;
		const char *why;
	} cases[] = {
	    {no_hello, 0, "did not begin with HELLO"},
	    {other_build, 0, "of another build"},
	    {other_role, 0, "says that it is deliverd"},
	    {two_hellos, 0, "HELLO twice"},
	    {zero_length, 0, "length of 0 bytes"},
	    {short_length, 0, "length of 16 bytes"},
	    {huge_length, 0, "length of 4294967288 bytes"},
	    {odd_length, 0, "length of 37 bytes"},
	    {unknown_type, 0, "unknown type 9999"},
	    {wrong_sender, 0, "ACCEPTED is not for master to send to queued"},
	    {text_longer_than_the_frame, 0, "texts that do not fit"},
	    {text_shorter_than_the_frame, 0, "texts that do not fit"},
	    {padding_with_content, 0, "texts that do not fit"},
	    {flag_without_right, 0, "with flags 0x1"},
	    {missing_descriptor, 0, "PEER without its descriptor"},
	    {good_then_bad, 2, "unknown type 9999"},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct victim v;
		struct bytes b = {.n = 0};

		open_victim(&v);
		cases[i].make(&b);
		send_with_fds(v.attacker, b.p, b.n, 0);
		expect_end(&v, cases[i].n_msgs, cases[i].why);
	}
}

static void
a_good_stream_in_pieces_of_one_byte_passes(void **state)
{
	struct victim v;
	struct bytes b = {.n = 0};

	open_victim(&v);
	put_hello(&b);
	put_take(&b, 3, 3, 0);
	put_take(&b, 0, 0, 0);
	for (size_t i = 0; i < b.n; i++)
		send_with_fds(v.attacker, b.p + i, 1, 0);
	shutdown(v.attacker, SHUT_WR);
	expect_end(&v, 2, "is gone");
}

static void
descriptors_without_messages_end_the_channel_and_none_stays_open(void **state)
{
	static const struct {
		int n_fds, times;
		const char *why;
	} cases[] = {
	    {1, 1, "descriptor without its message"},
	    {2, 1, "2 descriptors at once"},
	    {8, 1, "descriptors"},
	    {60, 1, ""},
	    {1, 20, "descriptor"},
	};

	for (size_t i = 0; i < countof(cases); i++) {
		struct victim v;
		struct bytes b = {.n = 0};
		size_t before = n_open_fds();

		open_victim(&v);
		put_hello(&b);
		for (int k = 0; k < cases[i].times; k++)
			put_take(&b, 3, 3, 0);
		send_with_fds(v.attacker, b.p, b.n, cases[i].n_fds);
		for (int k = 1; k < cases[i].times; k++)
			send_with_fds(v.attacker, b.p + b.n - 8, 8, cases[i].n_fds);
		expect_end(&v, -1, cases[i].why);
		assert_true(n_open_fds() == before);
	}
}

static void
a_message_that_never_ends_holds_no_more_than_one_buffer(void **state)
{
	static char junk[IPC_MAX_FRAME];
	struct victim v;
	struct bytes b = {.n = 0};

	open_victim(&v);
	put_hello(&b);
	put_frame(&b, IPC_MAX_FRAME, IPC_TAKE_FD, 0);
	send_with_fds(v.attacker, b.p, b.n, 0);
	send_with_fds(v.attacker, junk, sizeof junk - 8, 0);
	expect_end(&v, 0, "texts that do not fit");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_malformed_stream_ends_the_channel_with_its_reason),
	    cmocka_unit_test(a_good_stream_in_pieces_of_one_byte_passes),
	    cmocka_unit_test(descriptors_without_messages_end_the_channel_and_none_stays_open),
	    cmocka_unit_test(a_message_that_never_ends_holds_no_more_than_one_buffer),
	};

	ev_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
