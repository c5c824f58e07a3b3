/*
 * libmicrohttpd in our loop: it parses requests and writes answers on sockets that conn.c hands to it, and shows one
 * descriptor that is readable when it has work. It opens no socket and makes no thread.
 */
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "webd/http.h"
#include "webd/webd.h"

#define MEMORY_LIMIT  (32u * 1024) /* a request's line and header fields, RFC 9110 5.4 */
#define IDLE_S	      60u
#define MAX_IN_SERVER 1024u

static struct ev_io io;
static struct ev_timer timer;
static struct ev_defer soon;

/* Only here, from the loop: its own callbacks must not call it. */
static void
run(void)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (webd.mhd == NULL)
		return;
	(void)MHD_run(webd.mhd);
	if (MHD_get_timeout(webd.mhd, &ms) == MHD_YES)
		ev_timer_in_ms(&timer, (int64_t)PH_MIN(ms, 60000ull));
	else
		ev_timer_stop(&timer);
}

static void
on_ready(struct ev_io *i, int what)
{
	run();
}

static void
on_timer(struct ev_timer *t)
{
	run();
}

static void
on_soon(struct ev_defer *d)
{
	run();
}

void
server_run_soon(void)
{
	ev_defer_queue(&soon);
}

/* libmicrohttpd's own words: about clients, nothing to act upon */
static void PH_PRINTF(2, 0) say(void *cls, const char *fmt, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof text, fmt, ap);
	log_debug("event=http text=%s", log_quote(str_trim(str_of(text))));
}

static void
on_connection(
    void *cls, struct MHD_Connection *mhd, void **ctx, enum MHD_ConnectionNotificationCode what)
{
	struct conn *c;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*ctx = webd.adding;
		return;
	}
	c = *ctx;
	*ctx = NULL;
	if (c != NULL)
		conn_left_server(c);
}

void
server_open(void)
{
	const union MHD_DaemonInfo *info;

	webd.mhd = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG,
	    0, NULL, NULL, http_on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, say, NULL,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_LIMIT, MHD_OPTION_CONNECTION_TIMEOUT,
	    IDLE_S, MHD_OPTION_CONNECTION_LIMIT, MAX_IN_SERVER, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	    http_on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
	    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	info = webd.mhd == NULL ? NULL : MHD_get_daemon_info(webd.mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL)
		fatal("libmicrohttpd does not start");
	ev_io_init(&io, info->epoll_fd, on_ready);
	ev_timer_init(&timer, on_timer);
	ev_defer_init(&soon, on_soon);
	ev_io_want(&io, EV_IN);
}

int
server_add(struct conn *c, int fd)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};
	socklen_t len = sizeof(struct sockaddr_un);
	enum MHD_Result r;

	/* so that it does not take the pair for TCP */
	if (c->tunnel == NULL)
		len = net_to_sockaddr(&c->client, &ss);
	webd.adding = c;
	r = MHD_add_connection(webd.mhd, fd, (struct sockaddr *)&ss, len);
	webd.adding = NULL;
	server_run_soon();
	return r == MHD_YES ? 0 : -1;
}

void
server_close(void)
{
	requests_resume_all();
	run();
	ev_defer_cancel(&soon);
	ev_timer_stop(&timer);
	ev_io_stop(&io);
	MHD_stop_daemon(webd.mhd);
	webd.mhd = NULL;
}
