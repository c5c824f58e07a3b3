#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/stats/stats.h"

#define MAX_ACCEPTS    64 /* in one turn */
#define NO_FD_PAUSE_MS 500
#define SLOT_TICK_MS   20 /* how long a slot that another process gave back may go unnoticed */

/* Clients or listeners wait: a slot may also become free in another process. */
static void
await_slot(void)
{
	if (!ev_timer_is_armed(&injectd.slot_tick))
		ev_timer_in_ms(&injectd.slot_tick, SLOT_TICK_MS);
}

void
listen_refuse(int fd, bool is_plain)
{
	const char *host = injectd.world.host;
	char text[2 * WORLD_HOST_MAX + 128];
	int n = snprintf(text, sizeof text,
	    "452 4.3.2 %s too many connections, try again later\r\n"
	    "421 4.3.2 %s closing the connection\r\n",
	    host, host);

	/* the socket is new: it takes this, or the client is gone; within TLS it would be noise */
	if (is_plain && write(fd, text, (size_t)n) == n)
		(void)shutdown(fd, SHUT_WR);
	close(fd);
}

slot_t
listen_slot_for(uint16_t door, const struct net_addr *client)
{
	struct str source = injectd.world.door[door].source;
	const struct conf_set *set = conf_source_of(daemon_conf(), &source, source.len > 0, client);

	return slots_take(&injectd.slots, conf_str(set, CONF_SOURCE_SOURCE_GROUP));
}

/* no descriptors or memory are left: level-triggered, it would spin */
static void
pause_accepting(void)
{
	log_warn("event=accept-failed why=\"%s\"", strerrordesc_np(errno));
	listen_stop();
	ev_timer_in_ms(&injectd.accept_again, NO_FD_PAUSE_MS);
}

/* One connection; false: none is there, or none may be taken now. */
static bool
accept_one(struct listener *l)
{
	uint16_t door = (uint16_t)(l - injectd.listener);
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct net_addr client = {0};
	bool awaits = injectd.world.door[door].is_await_slot;
	slot_t slot;
	int fd;

	if (awaits && !slots_any(&injectd.slots)) {
		ev_io_want(&l->io, 0);
		injectd.is_paused = true;
		await_slot();
		return false;
	}
	fd = accept4(l->io.fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting();
		/* the client went away in between, or another process was faster */
		return errno == ECONNABORTED || errno == EINTR;
	}
	(void)net_from_sockaddr((struct sockaddr *)&ss, len, &client);
	slot = listen_slot_for(door, &client);
	if (slot != 0) {
		conn_new(fd, door, &client, slot);
	} else if (awaits && park_add(fd, door, &client)) {
		await_slot();
	} else {
		stat_inc(STAT_IN_CONNS_REFUSED);
		listen_refuse(fd, !injectd.world.door[door].is_immediate_tls);
	}
	return true;
}

static void
on_accept(struct ev_io *io, int what)
{
	struct listener *l = ph_container_of(io, struct listener, io);

	for (int i = 0; i < MAX_ACCEPTS && accept_one(l); i++)
		;
}

void
listen_start(void)
{
	if (injectd.is_stopping)
		return;
	for (size_t i = 0; i < WORLD_MAX_DOORS; i++)
		if (injectd.listener[i].is_open)
			ev_io_want(&injectd.listener[i].io, EV_IN);
}

void
listen_stop(void)
{
	for (size_t i = 0; i < WORLD_MAX_DOORS; i++)
		if (injectd.listener[i].is_open)
			ev_io_want(&injectd.listener[i].io, 0);
}

static void
on_accept_again(struct ev_timer *t)
{
	listen_start();
	await_slot(); /* it may have stopped meanwhile */
}

/* Who waits may find a slot now. */
static void
try_waiting(void)
{
	if (injectd.is_stopping || ev_timer_is_armed(&injectd.accept_again))
		return;
	park_try();
	if (injectd.is_paused && slots_any(&injectd.slots)) {
		injectd.is_paused = false;
		listen_start();
	}
	if (injectd.is_paused || park_any())
		await_slot();
}

static void
on_slot_tick(struct ev_timer *t)
{
	try_waiting();
}

static void
on_slot_freed(struct ev_defer *d)
{
	try_waiting();
}

void
listen_init(void)
{
	ev_timer_init(&injectd.slot_tick, on_slot_tick);
	ev_defer_init(&injectd.slot_freed, on_slot_freed);
	ev_timer_init(&injectd.accept_again, on_accept_again);
}

void
listen_slot_freed(void)
{
	/* not from within a connection's end */
	if ((injectd.is_paused || park_any()) && injectd.has_begun)
		ev_defer_queue(&injectd.slot_freed);
}

static struct listener *
find(const struct net_addr *addr)
{
	for (size_t i = 0; i < WORLD_MAX_DOORS; i++) {
		struct listener *l = &injectd.listener[i];
		if (l->is_open && net_addr_eq(&l->addr, addr) && l->addr.port == addr->port)
			return l;
	}
	return NULL;
}

static void
close_listener(struct listener *l)
{
	ev_io_stop(&l->io);
	close(l->io.fd);
	l->is_open = false;
}

void
listen_add(struct str address, int fd)
{
	struct net_addr addr;
	struct listener *l;
	size_t i = 0;

	if (!net_addr_parse_port(address, &addr))
		fatal("master gave a listener at %s", log_quote(address));
	l = find(&addr);
	if (l != NULL)
		close_listener(l);
	while (i < WORLD_MAX_DOORS && injectd.listener[i].is_open)
		i++;
	if (i == WORLD_MAX_DOORS) {
		log_error("event=too-many-listeners address=%s", log_quote(address));
		close(fd);
		return;
	}
	/* accepted sockets inherit it: one system call less for each */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		log_warn("event=listener-options why=\"%s\"", strerrordesc_np(errno));
	l = &injectd.listener[i];
	*l = (struct listener){.addr = addr, .is_open = true};
	ev_io_init(&l->io, fd, on_accept);
	if (injectd.has_begun) {
		listen_use_conf();
		listen_start();
	}
}

void
listen_remove(struct str address)
{
	struct net_addr addr;
	struct listener *l = net_addr_parse_port(address, &addr) ? find(&addr) : NULL;

	if (l != NULL)
		close_listener(l);
}

void
listen_use_conf(void)
{
	const struct conf *c = daemon_conf();
	bool awaits = conf_bool(conf_global(c), CONF_GLOBAL_SMTP_AWAIT_SLOT);

	for (size_t i = 0; i < WORLD_MAX_DOORS; i++) {
		injectd.world.door[i] = (struct door){.type = STR("smtp")};
		injectd.listener[i].tls = NULL;
	}
	for (size_t i = 0; i < conf_n_listeners(c); i++) {
		const struct conf_listener *row = conf_listener_at(c, i);
		struct listener *l = find(&row->addr);
		if (l == NULL)
			continue;
		l->tls = tls_in_context(i);
		injectd.world.door[l - injectd.listener] = (struct door){
		    .type = STR("smtp"),
		    .source = row->source,
		    .vmta = row->vmta,
		    .is_await_slot = awaits || (row->set != NULL &&
						   conf_bool(row->set, CONF_LISTENER_AWAIT_SLOT)),
		    .has_tls = l->tls != NULL,
		    .is_immediate_tls = conf_bool(row->set, CONF_LISTENER_IMMEDIATE_TLS),
		};
	}
	if (!slots_use_conf(&injectd.slots, c))
		log_warn("event=too-many-groups why=\"only the limits of the first %d "
			 "<source-group> hold\"",
		    SLOTS_GROUPS);
}
