#include "pmtactl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

#define ANSWER_MS  60000
#define RESOLVE_MS 100
/* dnsd gives up after 20 s */
#define RESOLVE_LOOKS 250

static int
connect_to(const char *path, struct why *why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (str_copy(sun.sun_path, sizeof sun.sun_path, str_of(path)) >= sizeof sun.sun_path)
		return why_set(why, "The path of the control socket is too long: %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return why_errno(why, "socket");
	if (connect(fd, (const struct sockaddr *)&sun, sizeof sun) == -1) {
		why_errno(why, "Cannot reach the server at %s (is it running?)", path);
		if (close(fd) == -1)
			return -1;
		return -1;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		return why_errno(why, "fcntl");
	return fd;
}

static void
on_msg(struct ipc_chan *c, struct ipc_msg *m)
{
}

static void
on_down(struct ipc_chan *c, const struct why *why)
{
}

/* *cursor: not 0 when the question is to be asked again with it */
static int
read_answer(struct ipc_chan *chan, struct tree *answer, uint64_t *cursor, struct why *why)
{
	struct ipc_msg m;

	for (;;) {
		if (ipc_read_blocking(chan, &m, ANSWER_MS, why) == -1)
			return -1;
		if (m.type == IPC_CTL_FIELD) {
			const struct ipc_ctl_field *f = m.head;
			if (tree_add(answer, m.text[0], m.text[1], (enum ctl_value)f->kind) == -1)
				return why_set(why, "The answer is too large.");
			continue;
		}
		if (m.type == IPC_CTL_END) {
			const struct ipc_ctl_end *e = m.head;
			*cursor = e->cursor;
			answer->ok = e->ok != 0;
			answer->exit = (int)PH_MIN(e->exit, 125u);
			free(answer->message);
			answer->message = xstrdup_str(m.text[0]);
			return 0;
		}
	}
}

static int
ask_once(struct ipc_chan *chan, const struct ipc_ctl_request *req, const struct str *args,
    struct tree *answer, uint64_t *cursor, struct why *why)
{
	ipc_send(chan, IPC_CTL_REQUEST, req, args, -1);
	if (ipc_flush_blocking(chan, ANSWER_MS, why) == -1)
		return -1;
	return read_answer(chan, answer, cursor, why);
}

/* asks, and again as long as the server says that it does not know yet */
static int
ask(struct ipc_chan *chan, struct ipc_ctl_request req, const struct str *args, struct tree *answer,
    struct why *why)
{
	struct timespec pause = {.tv_nsec = RESOLVE_MS * NS_PER_MS};

	for (;;) {
		if (ask_once(chan, &req, args, answer, &req.cursor, why) == -1)
			return -1;
		if (req.cursor == 0)
			return 0;
		if (req.cursor > RESOLVE_LOOKS)
			return why_set(why, "The name servers did not answer in time.");
		nanosleep(&pause, NULL);
	}
}

int
client_ask(const char *path, enum ctl_command command, const struct str *args, uint32_t max,
    struct tree *answer, struct why *why)
{
	static const struct ipc_events events = {.msg = on_msg, .down = on_down};
	struct ipc_ctl_request req = {.command = (uint32_t)command, .max = max};
	struct ipc_chan *chan;
	int fd = connect_to(path, why), r;

	if (fd == -1)
		return -1;
	ev_init();
	chan = ipc_chan_new(fd, ROLE_CTL, ROLE_QUEUE, 0, &events, NULL);
	r = ask(chan, req, args, answer, why);
	ipc_chan_free(&chan);
	ev_fini();
	return r;
}

static int
follow(struct ipc_chan *chan, client_event *event, void *ctx, struct tree *answer, struct why *why)
{
	struct ipc_msg m;

	for (;;) {
		if (ipc_read_blocking(chan, &m, -1, why) == -1)
			return -1;
		if (m.type == IPC_CTL_EVENT && !event(m.head, m.text, ctx))
			return 0;
		if (m.type != IPC_CTL_END)
			continue;
		answer->ok = ((const struct ipc_ctl_end *)m.head)->ok != 0;
		answer->exit = (int)PH_MIN(((const struct ipc_ctl_end *)m.head)->exit, 125u);
		answer->message = xstrdup_str(m.text[0]);
		return 0;
	}
}

int
client_follow(const char *path, enum ctl_command command, const struct str *args,
    client_event *event, void *ctx, struct tree *answer, struct why *why)
{
	static const struct ipc_events events = {.msg = on_msg, .down = on_down};
	struct ipc_ctl_request req = {.command = (uint32_t)command};
	struct ipc_chan *chan;
	int fd = connect_to(path, why), r;

	if (fd == -1)
		return -1;
	ev_init();
	chan = ipc_chan_new(fd, ROLE_CTL, ROLE_QUEUE, 0, &events, NULL);
	ipc_send(chan, IPC_CTL_REQUEST, &req, args, -1);
	r = ipc_flush_blocking(chan, ANSWER_MS, why);
	if (r == 0)
		r = follow(chan, event, ctx, answer, why);
	ipc_chan_free(&chan);
	ev_fini();
	return r;
}

bool
client_is_there(const char *path)
{
	struct why why;
	int fd = connect_to(path, &why);

	return fd != -1 && close(fd) == 0;
}
