/*
 * The test as master and queued: starts the daemon's own parts in a child, writes records into a spool of its own,
 * sends orders and awaits reports.
 */
#ifndef PH_TESTS_DELIVERD_STAGE_H
#define PH_TESTS_DELIVERD_STAGE_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "deliverd/deliver_int.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/smtp/ext.h"
#include "lib/spool/record_int.h"
#include "tests/unit/deliverd/sink.h"

#define WAIT_MS 60000

struct stage {
	char dir[64];
	int spool;
	pid_t daemon;
	struct ipc_chan *master, *queued;
	uint64_t next_id;
	uint32_t next_conn;
};
static struct stage stage;

/* ---- the daemon ---- */

__attribute__((noreturn)) static void
run_daemon(int channel)
{
	char name[] = "deliverd";
	char *argv[] = {name, NULL};

	if (dup2(channel, DAEMON_CHANNEL_FD) == -1)
		_exit(99);
	optind = 1;
	deliver_prepare();
	daemon_begin(1, argv, &deliver_daemon);
	deliver_init();
	daemon_ready();
	daemon_run();
	deliver_finish();
	_exit(0);
}

static void
await(struct ipc_chan *c, struct ipc_msg *m, enum ipc_type type)
{
	struct why why;

	if (ipc_read_blocking(c, m, WAIT_MS, &why) == -1)
		fail_msg("waiting for %s: %s", ipc_type_name(type), why.text);
	if (m->type != type)
		fail_msg("waiting for %s: %s came", ipc_type_name(type), ipc_type_name(m->type));
}

static void
flush(struct ipc_chan *c)
{
	struct why why;

	if (ipc_flush_blocking(c, WAIT_MS, &why) == -1)
		fail_msg("cannot send: %s", why.text);
}

static void
give_queued(void)
{
	struct ipc_peer peer = {.role = ROLE_QUEUE};
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	ipc_send(stage.master, IPC_PEER, &peer, NULL, pair[1]);
	flush(stage.master);
	close(pair[1]);
	stage.queued = ipc_chan_new(pair[0], ROLE_QUEUE, ROLE_DELIVER, 0, NULL, NULL);
}

static void
give_conf(const char *directives)
{
	struct ipc_config head = {.generation = 1};
	struct conf_messages list = {0};
	struct ipc_msg m;
	struct conf *conf;
	char path[128];
	FILE *f;
	int fd;

	snprintf(path, sizeof path, "%s/config", stage.dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "log-file %s/log\nspool %s\n%s", stage.dir, stage.dir, directives);
	assert_int_equal(fclose(f), 0);
	conf = conf_load(path, &list);
	if (conf == NULL)
		fail_msg("configuration: %s", list.n > 0 ? list.list[0].text : "?");
	fd = conf_snapshot(conf);
	assert_true(fd >= 0);
	ipc_send(stage.master, IPC_CONFIG, &head, NULL, fd);
	close(fd);
	await(stage.master, &m, IPC_CONFIG_OK);
	ipc_send(stage.master, IPC_CONFIG_USE, &head, NULL, -1);
	flush(stage.master);
	await(stage.master, &m, IPC_CONFIG_USED);
	conf_messages_clear(&list);
	conf_free(&conf);
}

static void
start(const char *directives)
{
	struct ipc_fd spool = {.kind = FD_SPOOL_DIR};
	struct str path;
	struct ipc_msg m;
	int pair[2];

	stage = (struct stage){.next_id = 0x100, .next_conn = 1};
	snprintf(stage.dir, sizeof stage.dir, "/tmp/deliverd-test.XXXXXX");
	assert_non_null(mkdtemp(stage.dir));
	stage.spool = open(stage.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(stage.spool, "queue", 0700), 0);
	assert_int_equal(mkdirat(stage.spool, "queue/00", 0700), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stage.daemon = fork();
	if (stage.daemon == 0)
		run_daemon(pair[1]);
	close(pair[1]);
	ev_init();
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	stage.master = ipc_chan_new(pair[0], ROLE_MASTER, ROLE_DELIVER, 0, NULL, NULL);
	give_conf(directives);
	path = str_of(stage.dir);
	ipc_send(stage.master, IPC_GIVE_FD, &spool, &path, stage.spool);
	give_queued();
	ipc_send(stage.master, IPC_START, NULL, NULL, -1);
	flush(stage.master);
	await(stage.master, &m, IPC_READY);
	await(stage.queued, &m, IPC_ORPHANS_END);
}

static void
tell_stop(uint64_t drain_ms)
{
	struct ipc_stop s = {.drain_ms = drain_ms};

	ipc_send(stage.master, IPC_STOP, &s, NULL, -1);
	flush(stage.master);
}

static int
await_end(void)
{
	int status;

	assert_int_equal(waitpid(stage.daemon, &status, 0), stage.daemon);
	return status;
}

static void
remove_file(const char *fmt, unsigned long long id)
{
	char path[128];
	int n = snprintf(path, sizeof path, "%s/", stage.dir);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(path + n, sizeof path - (size_t)n, fmt, id);
#pragma GCC diagnostic pop
	if (remove(path) == -1 && errno != ENOENT)
		print_message("%s stays: %m\n", path);
}

/* after await_end() */
static void
clean(void)
{
	ipc_chan_free(&stage.queued);
	ipc_chan_free(&stage.master);
	close(stage.spool);
	ev_fini();
	for (uint64_t id = 0x100; id < stage.next_id; id++)
		remove_file("queue/00/%016llx", (unsigned long long)id);
	remove_file("queue/00", 0);
	remove_file("queue", 0);
	remove_file("config", 0);
	remove_file("", 0);
}

static void
finish(void)
{
	tell_stop(0);
	assert_int_equal(await_end(), 0);
	clean();
}

/* ---- messages ---- */

struct made {
	struct spool_place place;
	uint64_t size; /* without added dots */
	uint64_t hash;
};

static void
write_file(uint64_t id, struct str header, struct str env, struct str content)
{
	char name[64];
	int fd;

	snprintf(name, sizeof name, "queue/00/%016llx", (unsigned long long)id);
	fd = openat(stage.spool, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, header.p, header.len), header.len);
	assert_int_equal(write(fd, env.p, env.len), env.len);
	assert_int_equal(write(fd, content.p, content.len), content.len);
	close(fd);
}

/* A message of about `bytes` bytes to r0@y … as a queue file; with dots: every line begins with one. */
static struct made
make_message(size_t bytes, bool dots, uint32_t n_rcpts)
{
	struct made made = {.hash = HASH_START};
	struct envelope e = {.id = stage.next_id++,
	    .sender = STR("s@x"),
	    .n_rcpts = n_rcpts,
	    .src_type = STR("smtp"),
	    .priority = 50,
	    .accepted = wall_from_sec(1700000000)};
	struct buf content, env;
	char header[SPOOL_HEADER_LEN], line[80], address[32];

	buf_init(&content, 64u << 20);
	buf_init(&env, 1u << 20);
	for (unsigned i = 0; buf_len(&content) < bytes; i++) {
		int n = snprintf(line, sizeof line, "%sline %u of message %llx\r\n",
		    dots ? "." : "", i, (unsigned long long)e.id);

		if (dots)
			assert_int_equal(buf_add_char(&content, '.'), 0);
		e.n_dots += dots;
		assert_int_equal(buf_add(&content, line, (size_t)n), 0);
		made.hash = hash_bytes(made.hash, line, (size_t)n);
		made.size += (uint64_t)n;
	}
	e.body_len = buf_len(&content);
	assert_int_equal(envelope_write(&env, &e), 0);
	for (uint32_t i = 0; i < n_rcpts; i++) {
		struct env_rcpt r = {.address = str_of(address)};

		r.address.len = (size_t)snprintf(address, sizeof address, "r%u@y", i);
		assert_int_equal(envelope_write_rcpt(&env, &r), 0);
	}
	assert_int_equal(buf_add_char(&env, '\n'), 0);
	made.place = (struct spool_place){.id = e.id,
	    .kind = SPOOL_FILE,
	    .len = SPOOL_HEADER_LEN + buf_len(&env) + buf_len(&content),
	    .env_len = (uint32_t)(SPOOL_HEADER_LEN + buf_len(&env))};
	envelope_header(header, record_core(buf_str(&env), buf_str(&content)),
	    &(struct record_header){.len = made.place.len, .env_len = made.place.env_len});
	write_file(e.id, str_from(header, sizeof header), buf_str(&env), buf_str(&content));
	buf_clear(&content);
	buf_clear(&env);
	return made;
}

/* ---- queued's part ---- */

static void
open_to(struct ipc_conn_open *o, const char *host)
{
	struct str texts[5] = {str_of(host), STR("me.test"), STR("y"), STR(""), STR("")};

	o->conn = stage.next_conn++;
	o->window = o->window == 0 ? 100 : o->window;
	ipc_send(stage.queued, IPC_CONN_OPEN, o, texts, -1);
	flush(stage.queued);
}

static uint32_t
open_conn(uint16_t port, const char *src)
{
	struct ipc_conn_open o = {.dst = {.bytes = {127, 0, 0, 1}, .port = port, .family = 4}};
	struct net_addr a;

	if (src != NULL) {
		assert_true(net_addr_parse(str_of(src), &a));
		net_to_ipc(&a, &o.src);
	}
	open_to(&o, "mx.y");
	return o.conn;
}

static void
give(uint32_t conn, uint32_t txn, const struct made *made, const uint32_t *idx, uint32_t n)
{
	struct ipc_txn t = {.place = made->place, .conn = conn, .txn = txn};
	struct str text = str_from((const char *)idx, n * sizeof *idx);

	ipc_send(stage.queued, IPC_TXN, &t, &text, -1);
}

static const uint32_t first_rcpt = 0;

static void
await_delivered(uint32_t txn, const struct made *made)
{
	struct ipc_msg m;
	const struct ipc_result *r;
	char want[80];

	await(stage.queued, &m, IPC_RESULT);
	r = m.head;
	snprintf(want, sizeof want, "250 2.0.0 %llu %016llx", (unsigned long long)made->size,
	    (unsigned long long)made->hash);
	if (r->outcome != OUT_DELIVERED || !str_eq(m.text[0], str_of(want)))
		fail_msg("transaction %u: outcome %u, \"%.*s\", not \"%s\"", txn, r->outcome,
		    STR_ARG(m.text[0]), want);
	assert_int_equal(r->txn, txn);
	assert_int_equal(r->bytes, made->size);
	assert_int_equal(r->id, made->place.id);
	await(stage.queued, &m, IPC_TXN_DONE);
	assert_int_equal(((const struct ipc_txn_done *)m.head)->txn, txn);
}

static void
await_down(enum conn_end end, enum smtp_stage at)
{
	struct ipc_msg m;
	const struct ipc_conn_down *d;

	await(stage.queued, &m, IPC_CONN_DOWN);
	d = m.head;
	if (d->end != end || d->stage != at)
		fail_msg("end %u at stage %u: \"%.*s\"", d->end, d->stage, STR_ARG(m.text[0]));
}

static void
close_conn(uint32_t conn, enum conn_close how)
{
	struct ipc_conn_close c = {.conn = conn, .how = how};

	ipc_send(stage.queued, IPC_CONN_CLOSE, &c, NULL, -1);
	flush(stage.queued);
}

#endif
