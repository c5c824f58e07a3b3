#include "tests/mxsim/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/xalloc.h"

#define ANSWER_MAX (64u * 1024 * 1024)

struct control {
	struct ev_io io;
	struct sim *sim;
	char *path;
	int fd;
};
struct asker {
	struct ev_io io;
	struct sim *sim;
	struct buf out;
	int fd;
	bool has_asked;
};
typedef void ask_fn(struct sim *s, struct buf *out);

static void
ask_stats(struct sim *s, struct buf *out)
{
	counter_flush(&s->counter);
	stats_write(s, out);
}

static void
ask_reload(struct sim *s, struct buf *out)
{
	struct why why = {0};

	(void)buf_addf(out, "%s\n", sim_load(s, &why) < 0 ? why.text : "ok");
}

static void
ask_flush(struct sim *s, struct buf *out)
{
	counter_flush(&s->counter);
	(void)buf_add_cstr(out, "ok\n");
}

static void
ask_quit(struct sim *s, struct buf *out)
{
	(void)buf_add_cstr(out, "ok\n");
	ev_stop();
}

static const struct {
	const char *word;
	ask_fn *fn;
} commands[] = {
    {"stats", ask_stats}, {"reload", ask_reload}, {"flush", ask_flush}, {"quit", ask_quit}};

static void
obey(struct asker *a, struct str line)
{
	for (size_t i = 0; i < countof(commands); i++) {
		if (str_eq(line, str_of(commands[i].word))) {
			commands[i].fn(a->sim, &a->out);
			return;
		}
	}
	(void)buf_add_cstr(&a->out, "unknown command\n");
}

static void
asker_free(struct asker *a)
{
	ev_io_stop(&a->io);
	(void)close(a->fd);
	buf_clear(&a->out);
	free(a);
}

static void
on_asker(struct ev_io *io, int what)
{
	struct asker *a = ph_container_of(io, struct asker, io);
	char line[256];
	ssize_t n;

	if (!a->has_asked) {
		n = recv(a->fd, line, sizeof(line), 0);
		if (n <= 0) {
			asker_free(a);
			return;
		}
		a->has_asked = true;
		obey(a, str_trim(str_from(line, (size_t)n)));
	}
	while (buf_len(&a->out) > 0) {
		n = send(a->fd, buf_str(&a->out).p, buf_len(&a->out), MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			ev_io_want(&a->io, EV_OUT);
			return;
		}
		if (n <= 0)
			break;
		buf_consume(&a->out, (size_t)n);
	}
	asker_free(a);
}

static void
on_control(struct ev_io *io, int what)
{
	struct control *c = ph_container_of(io, struct control, io);
	int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct asker *a;

	if (fd < 0)
		return;
	a = xcalloc(1, sizeof(*a));
	a->sim = c->sim;
	a->fd = fd;
	buf_init(&a->out, ANSWER_MAX);
	ev_io_init(&a->io, fd, on_asker);
	ev_io_want(&a->io, EV_IN);
}

struct control *
control_new(struct sim *s, const char *path, struct why *why)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct control *c;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (str_copy(un.sun_path, sizeof(un.sun_path), str_of(path)) >= sizeof(un.sun_path)) {
		(void)why_set(why, "the control socket's path is too long: %s", path);
		(void)close(fd);
		return NULL;
	}
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, 64) < 0) {
		(void)why_errno(why, "cannot listen on %s", path);
		(void)close(fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->sim = s;
	c->fd = fd;
	c->path = xstrdup(path);
	ev_io_init(&c->io, fd, on_control);
	ev_io_want(&c->io, EV_IN);
	return c;
}

void
control_free(struct control **cp)
{
	struct control *c = *cp;

	if (c == NULL)
		return;
	ev_io_stop(&c->io);
	(void)close(c->fd);
	(void)unlink(c->path);
	free(c->path);
	xfree(cp);
}
