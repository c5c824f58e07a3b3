#include "injectd/dummy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define IDLE_MS	      (5 * 60 * 1000)
#define AWAIT_MS      20 /* until a slot is looked for again */
#define MAX_ACCEPTS   64
#define MAX_LISTENERS 4

struct dummy_conn {
	struct dummy d;
	struct ev_io io;
	struct ev_timer timer;
	struct dummy_conn *next, **back;
	slot_t slot;
	bool is_late; /* waits for dummy-smtp-latency to pass */
	bool is_due;  /* it has passed for what is in d.out */
};
static struct {
	struct dummy_rules rules;
	struct ev_io listeners[MAX_LISTENERS]; /* cb NULL: free */
	struct ev_timer again;
	struct dummy_conn *conns;
} all;

static void
free_conn(struct dummy_conn *c)
{
	ev_io_stop(&c->io);
	ev_timer_stop(&c->timer);
	dummy_clear(&c->d);
	close(c->io.fd);
	*c->back = c->next;
	if (c->next != NULL)
		c->next->back = c->back;
	slots_give_back(&injectd.slots, c->slot);
	free(c);
	listen_slot_freed();
}

/* 1: all is out; 0: later; -1: the client is gone */
static int
write_out(struct dummy_conn *c)
{
	struct buf *out = &c->d.out;
	uint64_t latency = conf_u64(all.rules.global, CONF_GLOBAL_DUMMY_SMTP_LATENCY);
	ssize_t n;

	if (buf_len(out) > 0 && latency > 0 && !c->is_due) {
		c->is_late = true;
		ev_io_want(&c->io, 0);
		ev_timer_in_ms(&c->timer, (int64_t)PH_MIN(latency, (uint64_t)INT32_MAX));
		return 0;
	}
	while (buf_len(out) > 0) {
		n = write(c->io.fd, buf_str(out).p, buf_len(out));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno != EAGAIN)
			return -1;
		if (n == -1) {
			ev_io_want(&c->io, EV_OUT);
			return 0;
		}
		buf_consume(out, (size_t)n);
	}
	c->is_due = false;
	return 1;
}

/* May free c. */
static void
progress(struct dummy_conn *c)
{
	int r;

	ev_timer_in_ms(&c->timer, IDLE_MS);
	do {
		r = write_out(c);
		if (r == 0)
			return;
		if (r == -1 || c->d.state == DUMMY_CLOSING) {
			free_conn(c);
			return;
		}
	} while (dummy_step(&c->d));
	buf_clear(&c->d.out);
	ev_io_want(&c->io, EV_IN);
}

static void
on_io(struct ev_io *io, int what)
{
	struct dummy_conn *c = ph_container_of(io, struct dummy_conn, io);
	ssize_t n;

	if ((what & EV_IN) != 0) {
		n = read(io->fd, injectd.read_buf, sizeof injectd.read_buf);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || buf_add(&c->d.in, injectd.read_buf, (size_t)n) == -1) {
			free_conn(c);
			return;
		}
	}
	progress(c);
}

static void
on_timer(struct ev_timer *t)
{
	struct dummy_conn *c = ph_container_of(t, struct dummy_conn, timer);

	if (!c->is_late) {
		free_conn(c);
		return;
	}
	c->is_late = false;
	c->is_due = true;
	progress(c);
}

static void
new_conn(int fd, slot_t slot)
{
	struct dummy_conn *c = xcalloc(1, sizeof *c);

	c->slot = slot;
	ev_io_init(&c->io, fd, on_io);
	ev_timer_init(&c->timer, on_timer);
	c->next = all.conns;
	c->back = &all.conns;
	if (c->next != NULL)
		c->next->back = &c->next;
	all.conns = c;
	if (conf_bool(all.rules.global, CONF_GLOBAL_DUMMY_SMTP_UPDATE_STATS))
		stat_inc(STAT_IN_CONNS_TOTAL);
	dummy_init(&c->d, &all.rules);
	progress(c);
}

/* ---- its listeners ---- */

static bool
accept_one(struct ev_io *l)
{
	slot_t slot = slots_take(&injectd.slots, STR_NULL);
	bool awaits = conf_bool(all.rules.global, CONF_GLOBAL_DUMMY_SMTP_AWAIT_SLOT);
	int fd;

	if (slot == 0 && awaits) {
		ev_io_want(l, 0);
		ev_timer_in_ms(&all.again, AWAIT_MS);
		return false;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		slots_give_back(&injectd.slots, slot);
		/* no descriptors are left: not at once again */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			ev_io_want(l, 0);
			ev_timer_in_ms(&all.again, 25 * AWAIT_MS);
		}
		return false;
	}
	if (slot != 0) {
		new_conn(fd, slot);
		return true;
	}
	listen_refuse(fd, true);
	return true;
}

static void
on_accept(struct ev_io *io, int what)
{
	for (int i = 0; i < MAX_ACCEPTS && accept_one(io); i++)
		;
}

void
dummy_start(void)
{
	for (size_t i = 0; i < MAX_LISTENERS && !injectd.is_stopping; i++)
		if (all.listeners[i].cb != NULL)
			ev_io_want(&all.listeners[i], EV_IN);
}

static void
on_again(struct ev_timer *t)
{
	dummy_start();
}

void
dummy_add(int fd)
{
	size_t i = 0;

	while (i < MAX_LISTENERS && all.listeners[i].cb != NULL)
		i++;
	if (i == MAX_LISTENERS ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		log_error("event=dummy-listener-lost why=\"%s\"", strerrordesc_np(errno));
		close(fd);
		return;
	}
	ev_io_init(&all.listeners[i], fd, on_accept);
	if (injectd.has_begun)
		dummy_start();
}

/* There is one at most: it goes, whatever its address. */
void
dummy_remove(void)
{
	for (size_t i = 0; i < MAX_LISTENERS; i++) {
		if (all.listeners[i].cb == NULL)
			continue;
		ev_io_stop(&all.listeners[i]);
		close(all.listeners[i].fd);
		all.listeners[i].cb = NULL;
	}
}

void
dummy_use_conf(void)
{
	const struct conf_set *g = conf_global(daemon_conf());
	char *path = xstrdup_str(conf_str(g, CONF_GLOBAL_DUMMY_SMTP_BLACKLIST));

	if (all.again.cb == NULL)
		ev_timer_init(&all.again, on_again);
	all.rules.global = g;
	all.rules.host = injectd.world.host;
	dummy_list_make(&all.rules.blacklist, path[0] == '\0' ? STR_NULL : tls_in_file(path));
	free(path);
}

void
dummy_stop(void)
{
	dummy_remove();
	ev_timer_stop(&all.again);
	while (all.conns != NULL)
		free_conn(all.conns);
	dummy_list_clear(&all.rules.blacklist);
}
