/* A notice leaves queued at once: what bounced has not been sent dies with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/ev/ev.h"
#include "queued/end/notice.h"
#include "queued/state.h"

static struct conf *
make_conf(void)
{
	char path[] = "/tmp/notice-test-XXXXXX";
	struct conf_messages m = {0};
	int fd = mkstemp(path);
	struct conf *c;

	assert_true(fd != -1);
	dprintf(fd, "host-name mx.test\nspool /tmp\nlog-file /dev/null\nalert-notify o@ops.test\n");
	close(fd);
	c = conf_load(path, &m);
	unlink(path);
	conf_messages_clear(&m);
	assert_non_null(c);
	return c;
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
}

static void
it_is_sent_before_the_turn_is_over(void **state)
{
	static const struct ipc_events events = {.msg = on_msg, .down = on_down};
	static const char subject[] = "queues stand still";
	struct conf *conf = make_conf();
	char text[4096];
	struct buf b;
	ssize_t n;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	qd.bounce.chan = ipc_chan_new(fds[0], ROLE_QUEUE, ROLE_BOUNCE, 0, &events, NULL);
	notice_begin(&b);
	assert_int_equal(buf_addf(&b, "so it is\n"), 0);
	notice_post(conf_global(conf), CONF_GLOBAL_ALERT_NOTIFY, subject, &b);
	n = recv(fds[1], text, sizeof text, MSG_DONTWAIT);
	assert_true(n > 0);
	assert_non_null(memmem(text, (size_t)n, subject, strlen(subject)));
	ipc_chan_free(&qd.bounce.chan);
	close(fds[1]);
	notice_done(&(struct ipc_notice_done){.id = 1, .ok = 1});
	conf_free(&conf);
}

static int
setup(void **state)
{
	ev_init();
	return 0;
}

static int
teardown(void **state)
{
	ev_fini();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_is_sent_before_the_turn_is_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
