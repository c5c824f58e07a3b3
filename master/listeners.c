#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define LISTEN_BACKLOG 4096 /* the kernel cuts it at net.core.somaxconn */

static int
bind_to(int fd, const struct net_addr *addr)
{
	struct sockaddr_storage ss;
	socklen_t len = net_to_sockaddr(addr, &ss);
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1)
		return -1;
	if (addr->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&ss, len) == -1)
		return -1;
	return listen(fd, LISTEN_BACKLOG);
}

static int
open_one(const struct net_addr *addr, struct why *why)
{
	char text[NET_ADDR_TEXT];
	int fd = socket(
	    addr->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	net_addr_text_port(addr, text);
	if (fd == -1)
		return why_errno(why, "no socket for %s", text);
	if (bind_to(fd, addr) == 0)
		return fd;
	if (errno == EACCES && !master.is_root)
		why_set(why, "%s: ports below 1024 need root", text);
	else
		why_errno(why, "%s cannot be listened at", text);
	close(fd);
	return -1;
}

static const struct listener *
find(const struct listeners *l, const struct net_addr *addr)
{
	for (size_t i = 0; l != NULL && i < l->n; i++) {
		if (net_addr_eq(&l->list[i].addr, addr) && l->list[i].addr.port == addr->port)
			return &l->list[i];
	}
	return NULL;
}

static int
add(struct listeners *l, const struct listeners *old, const struct net_addr *addr,
    enum ipc_fd_kind kind, struct why *why)
{
	const struct listener *had = find(old, addr);
	int fd = had == NULL ? open_one(addr, why) : fcntl(had->fd, F_DUPFD_CLOEXEC, 0);

	if (fd == -1 && had != NULL)
		return why_errno(why, "a listener cannot be kept");
	if (fd == -1)
		return -1;
	l->list[l->n++] = (struct listener){.addr = *addr, .fd = fd, .kind = kind};
	return 0;
}

static int
add_dummy(const struct conf *c, struct listeners *l, const struct listeners *old, struct why *why)
{
	const struct conf_set *g = conf_global(c);
	struct net_addr addr;

	if (conf_u64(g, CONF_GLOBAL_DUMMY_SMTP_PORT) == 0)
		return 0;
	if (!net_addr_parse(conf_str(g, CONF_GLOBAL_DUMMY_SMTP_IP), &addr))
		(void)net_addr_parse(STR("0.0.0.0"), &addr);
	addr.port = (uint16_t)conf_u64(g, CONF_GLOBAL_DUMMY_SMTP_PORT);
	return add(l, old, &addr, FD_LISTEN_DUMMY, why);
}

/* does anybody have a right at the web monitor? */
static bool
has_visitors(const struct conf *c, const struct conf_set *http)
{
	const struct conf_set *g = conf_global(c);

	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_HTTP_ACCESS); i++)
		if (!str_has_isuffix(conf_item(g, CONF_GLOBAL_HTTP_ACCESS, i), STR("none")))
			return true;
	return conf_n(g, CONF_GLOBAL_HTTP_API_KEY) > 0 ||
	       conf_str(http, CONF_HTTP_ACCESS_FILE).len > 0;
}

/* where the web monitor is to be; false: nowhere */
static bool
monitor_address(const struct conf *c, struct net_addr *addr)
{
	uint64_t port = conf_u64(conf_global(c), CONF_GLOBAL_HTTP_MGMT_PORT);
	const struct conf_set *http = conf_merged(c, CONF_BLOCK_HTTP);

	if (port == 0 || !has_visitors(c, http))
		return false;
	if (!net_addr_parse_port(conf_str(http, CONF_HTTP_ADDRESS), addr) &&
	    !net_addr_parse(conf_str(http, CONF_HTTP_ADDRESS), addr))
		(void)net_addr_parse(STR("127.0.0.1"), addr);
	if (addr->port == 0)
		addr->port = (uint16_t)port;
	return true;
}

/*
 * Where nobody has a right there is no listener. The port that nobody chose may be another's: mail does not wait for
 * the monitor.
 */
static int
add_monitor(const struct conf *c, struct listeners *l, const struct listeners *old, struct why *why)
{
	struct net_addr addr;
	struct why reason;

	if (!monitor_address(c, &addr))
		return 0;
	if (add(l, old, &addr, FD_LISTEN_HTTP, &reason) == 0)
		return 0;
	if (conf_is_set(conf_global(c), CONF_GLOBAL_HTTP_MGMT_PORT))
		return why_set(why, "http-mgmt-port: %s", reason.text);
	log_warn("event=no-web-monitor reason=\"%s\"", reason.text);
	return 0;
}

/* Each has TLS: keys and mail go over it. */
static int
add_api(const struct conf *c, size_t i, struct listeners *l, const struct listeners *old,
    struct why *why)
{
	struct conf_origin at = conf_block_origin(c, CONF_BLOCK_APILISTENER, i);
	struct net_addr addr;

	if (!net_addr_parse_port(conf_block_name(c, CONF_BLOCK_APILISTENER, i), &addr))
		return why_set(why,
		    "%s:%u: <transmissions-api-listener> needs an address and a port", at.file,
		    at.line);
	return add(l, old, &addr, FD_LISTEN_API, why);
}

int
listeners_open(
    const struct conf *c, const struct listeners *old, struct listeners *l, struct why *why)
{
	size_t n = conf_n_listeners(c), n_api = conf_n_blocks(c, CONF_BLOCK_APILISTENER);
	int r = 0;

	*l = (struct listeners){0};
	if (n > MASTER_MAX_LISTENERS)
		return why_set(why, "more than %d smtp-listeners", MASTER_MAX_LISTENERS);
	l->list = xcalloc(n + n_api + 2, sizeof *l->list);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add(l, old, &conf_listener_at(c, i)->addr, FD_LISTEN_SMTP, why);
	for (size_t i = 0; r == 0 && i < n_api; i++)
		r = add_api(c, i, l, old, why);
	if (r == 0)
		r = add_dummy(c, l, old, why);
	if (r == 0)
		r = add_monitor(c, l, old, why);
	if (r == -1)
		listeners_close(l);
	return r;
}

void
listeners_close(struct listeners *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->list[i].fd);
	free(l->list);
	*l = (struct listeners){0};
}

bool
listeners_are_same(const struct listeners *a, const struct listeners *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!net_addr_eq(&a->list[i].addr, &b->list[i].addr) ||
		    a->list[i].addr.port != b->list[i].addr.port ||
		    a->list[i].kind != b->list[i].kind)
			return false;
	}
	return true;
}

int
listeners_open_control(struct why *why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	mode_t mask = umask(0117);
	int fd, r;

	/* by way of the held directory: the spool's own path may be longer than a socket's address */
	snprintf(un.sun_path, sizeof un.sun_path, "/proc/self/fd/%d/control", master.spool_fd);
	if (unlinkat(master.spool_fd, "control", 0) == -1 && errno != ENOENT)
		log_debug("old control socket: %s", strerrordesc_np(errno));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	master.control_fd = fd;
	r = fd == -1 ? -1 : bind(fd, (struct sockaddr *)&un, sizeof un);
	umask(mask);
	if (r == -1 || listen(fd, 128) == -1)
		return why_errno(why, "the control socket cannot be made in the spool directory");
	if (master.is_root &&
	    fchownat(master.spool_fd, "control", 0, users_gid(), AT_SYMLINK_NOFOLLOW) == -1)
		return why_errno(why, "the control socket's group");
	return 0;
}
