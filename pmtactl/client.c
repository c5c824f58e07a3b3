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

/* a queued that hangs is ended by master within half a minute: then the channel is down. One that looks through a
 * million envelopes on a slow disk is waited for. */
#define ANSWER_MS  600000
#define RESOLVE_MS 100
/* dnsd gives up after 20 s */
#define RESOLVE_LOOKS 250

/* a path that is longer than a socket's address goes by way of its directory, which *dir holds open */
static int
fill_address(struct sockaddr_un *sun, const char *path, int *dir)
{
	struct str p = str_of(path), name = p;
	size_t slash = str_rfind(p, '/');
	char *parent;
	int n;

	if (str_copy(sun->sun_path, sizeof sun->sun_path, p) < sizeof sun->sun_path)
		return 0;
	if (slash != STR_NPOS)
		name = str_skip(p, slash + 1);
	parent = xasprintf("%.*s.", (int)(p.len - name.len), p.p);
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (*dir == -1)
		return -1;
	n = snprintf(
	    sun->sun_path, sizeof sun->sun_path, "/proc/self/fd/%d/%.*s", *dir, STR_ARG(name));
	if ((size_t)n < sizeof sun->sun_path)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

static int
connect_to(const char *path, struct why *why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), dir = -1, r;

	if (fd == -1)
		return why_errno(why, "socket");
	r = fill_address(&sun, path, &dir);
	if (r == 0)
		r = connect(fd, (const struct sockaddr *)&sun, sizeof sun);
	if (r == -1)
		why_errno(why, "Cannot reach the server at %s (is it running?)", path);
	if (dir != -1)
		close(dir);
	if (r == 0 && (r = fcntl(fd, F_SETFL, O_NONBLOCK)) == -1)
		why_errno(why, "fcntl");
	if (r == 0)
		return fd;
	close(fd);
	return -1;
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
take_end(const struct ipc_msg *m, struct tree *answer)
{
	const struct ipc_ctl_end *e = m->head;

	answer->ok = e->ok != 0;
	answer->exit = (int)PH_MIN(e->exit, 125u);
	free(answer->message);
	answer->message = xstrdup_str(m->text[0]);
}

/* A long answer's place, on a terminal only: a line that is written over, and away before anything else is shown. */
static void
show_progress(struct str per_cent)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%.*s %% looked through\033[K", STR_ARG(per_cent));
}

static void
hide_progress(bool *is_shown)
{
	if (*is_shown && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	*is_shown = false;
}

/* -1: the answer is too large */
static int
take_field(const struct ipc_msg *m, const struct question *q, struct tree *answer, bool *progress)
{
	const struct ipc_ctl_field *f = m->head;

	if (f->kind == CTL_PROGRESS) {
		show_progress(m->text[1]);
		*progress = true;
		return 0;
	}
	hide_progress(progress);
	if (tree_add(answer, m->text[0], m->text[1], (enum ctl_value)f->kind) == -1)
		return -1;
	if (q->gathered != NULL)
		q->gathered(answer, q->ctx);
	return 0;
}

/* *cursor: not 0 when the question is to be asked again with it */
static int
read_answer(struct ipc_chan *chan, const struct question *q, struct tree *answer, uint64_t *cursor,
    struct why *why)
{
	struct ipc_msg m;
	bool progress = false;

	for (;;) {
		if (ipc_read_blocking(chan, &m, ANSWER_MS, why) == -1)
			return -1;
		if (m.type == IPC_CTL_END) {
			hide_progress(&progress);
			*cursor = ((const struct ipc_ctl_end *)m.head)->cursor;
			take_end(&m, answer);
			return 0;
		}
		if (m.type == IPC_CTL_FIELD && take_field(&m, q, answer, &progress) == -1)
			return why_set(why, "The answer is too large.");
	}
}

static int
request(struct ipc_chan *chan, const struct question *q, uint64_t cursor, struct why *why)
{
	struct ipc_ctl_request req = {
	    .command = (uint32_t)q->command, .max = q->max, .cursor = cursor};

	ipc_send(chan, IPC_CTL_REQUEST, &req, q->args, -1);
	return ipc_flush_blocking(chan, ANSWER_MS, why);
}

/* asks, and again as long as the server says that it does not know yet */
static int
ask(struct ipc_chan *chan, const struct question *q, struct tree *answer, struct why *why)
{
	struct timespec pause = {.tv_nsec = RESOLVE_MS * NS_PER_MS};
	uint64_t cursor = 0;

	for (;;) {
		if (request(chan, q, cursor, why) == -1 ||
		    read_answer(chan, q, answer, &cursor, why) == -1)
			return -1;
		if (cursor == 0)
			return 0;
		if (cursor > RESOLVE_LOOKS)
			return why_set(why, "The name servers did not answer in time.");
		nanosleep(&pause, NULL);
	}
}

/* NULL: nobody is there */
static struct ipc_chan *
channel(const char *path, struct why *why)
{
	static const struct ipc_events events = {.msg = on_msg, .down = on_down};
	int fd = connect_to(path, why);

	if (fd == -1)
		return NULL;
	ev_init();
	return ipc_chan_new(fd, ROLE_CTL, ROLE_QUEUE, 0, &events, NULL);
}

static void
hang_up(struct ipc_chan *chan)
{
	ipc_chan_free(&chan);
	ev_fini();
}

int
client_ask(const struct question *q, struct tree *answer, struct why *why)
{
	struct ipc_chan *chan = channel(q->socket_path, why);
	int r;

	if (chan == NULL)
		return -1;
	r = ask(chan, q, answer, why);
	hang_up(chan);
	return r;
}

static int
follow(struct ipc_chan *chan, const struct question *q, client_event *event, struct tree *answer,
    struct why *why)
{
	struct ipc_msg m;

	for (;;) {
		if (ipc_read_blocking(chan, &m, -1, why) == -1)
			return -1;
		if (m.type == IPC_CTL_EVENT && !event(m.head, m.text, q->ctx))
			return 0;
		if (m.type != IPC_CTL_END)
			continue;
		take_end(&m, answer);
		return 0;
	}
}

int
client_follow(const struct question *q, client_event *event, struct tree *answer, struct why *why)
{
	struct ipc_chan *chan = channel(q->socket_path, why);
	int r;

	if (chan == NULL)
		return -1;
	r = request(chan, q, 0, why);
	if (r == 0)
		r = follow(chan, q, event, answer, why);
	hang_up(chan);
	return r;
}

bool
client_is_there(const char *path)
{
	struct why why;
	int fd = connect_to(path, &why);

	return fd != -1 && close(fd) == 0;
}
