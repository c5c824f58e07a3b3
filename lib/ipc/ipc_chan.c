#include "lib/ipc/ipc_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/* reads in one turn of the loop: a talkative peer must not keep the others waiting */
#define MAX_READS 4

static void
want_io(struct ipc_chan *c)
{
	int want = 0;

	if (c->fd == -1 || c->is_broken)
		return;
	if (!c->held)
		want |= EV_IN;
	/* what was only appended in this turn is written at its end, before anybody waits */
	if (buf_len(&c->out) > 0 && !c->is_mute && !c->flush.queued)
		want |= EV_OUT;
	ev_io_want(&c->io, want);
}

static void
destroy(struct ipc_chan *c)
{
	for (size_t i = 0; i < c->n_in_fds; i++)
		close(c->in_fds[i]);
	for (size_t i = 0; i < c->n_out_fds; i++)
		close(c->out_fds[i].fd);
	buf_clear(&c->out);
	free(c->out_fds);
	free(c->in);
	free(c);
}

/* `down` is called once; nothing happens on the channel after it */
static void
tell_down(struct ipc_chan *c)
{
	if (!c->is_broken || c->is_told || c->is_freed)
		return;
	c->is_told = true;
	if (c->fd != -1)
		ev_io_stop(&c->io);
	c->events->down(c, &c->why);
}

static void
tell_pressure(struct ipc_chan *c)
{
	size_t len = buf_len(&c->out);
	bool high = c->is_high ? len > IPC_LOW_MARK : len > IPC_HIGH_MARK;

	if (high == c->is_high || c->is_broken || c->is_freed)
		return;
	c->is_high = high;
	if (c->events->pressure != NULL)
		c->events->pressure(c, high);
}

static void
leave(struct ipc_chan *c)
{
	c->is_busy = false;
	if (c->is_freed)
		destroy(c);
	else
		want_io(c);
}

void
ipc_dispatch(struct ipc_chan *c)
{
	struct ipc_msg m;
	bool was_busy = c->is_busy;

	c->is_busy = true;
	while (!c->held && !c->is_told && !c->is_freed && ipc_next_msg(c, &m) > 0) {
		c->events->msg(c, &m);
		if (m.fd != -1)
			close(m.fd);
	}
	/* while it is held, what came before its end still waits to be handed out */
	if (!c->held || c->in_head == c->in_tail)
		tell_down(c);
	if (!was_busy)
		leave(c);
}

static void
flush_and_tell(struct ipc_chan *c)
{
	c->is_busy = true;
	if (!c->is_broken && c->fd != -1)
		ipc_write_out(c);
	tell_pressure(c);
	if (c->is_broken && !c->held)
		tell_down(c);
	leave(c);
}

static void
on_flush(struct ev_defer *d)
{
	struct ipc_chan *c = ph_container_of(d, struct ipc_chan, flush);

	/* also how a hold that ended goes on with what was read before */
	if (!c->held && (c->in_head != c->in_tail || c->is_broken)) {
		c->is_busy = true;
		ipc_dispatch(c);
		c->is_busy = false;
		if (c->is_freed) {
			destroy(c);
			return;
		}
	}
	flush_and_tell(c);
}

static void
on_io(struct ev_io *io, int what)
{
	struct ipc_chan *c = ph_container_of(io, struct ipc_chan, io);
	ssize_t n = 1;

	/* output first: its failure leaves the reading below to find out the end */
	if (what & EV_OUT)
		ev_defer_queue(&c->flush);
	if (!(what & EV_IN))
		return;
	c->is_busy = true;
	for (int i = 0; i < MAX_READS && n > 0 && !c->held && !c->is_freed && !c->is_told; i++) {
		size_t room = IPC_IN_SIZE - (c->in_tail - c->in_head);
		n = ipc_fill(c);
		ipc_dispatch(c);
		/* a short read: the socket is empty */
		if (n >= 0 && (size_t)n < room)
			break;
	}
	leave(c);
}

struct ipc_chan *
ipc_chan_make(int fd, enum ipc_role self, enum ipc_role peer, uint32_t peer_instance,
    const struct ipc_events *events, void *ctx)
{
	struct ipc_chan *c = xcalloc(1, sizeof *c);

	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->peer_instance = peer_instance;
	c->events = events;
	c->ctx = ctx;
	c->in = xmalloc(IPC_IN_SIZE);
	buf_init(&c->out, IPC_OUT_CAP);
	ev_io_init(&c->io, fd, on_io);
	ev_defer_init(&c->flush, on_flush);
	return c;
}

static void
send_hello(struct ipc_chan *c)
{
	const struct ipc_hello h = {
	    .protocol = ipc_protocol_hash(), .role = c->self, .pid = (uint64_t)getpid()};

	ipc_send(c, IPC_HELLO, &h, NULL, -1);
}

struct ipc_chan *
ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer, uint32_t peer_instance,
    const struct ipc_events *events, void *ctx)
{
	struct ipc_chan *c = ipc_chan_make(fd, self, peer, peer_instance, events, ctx);

	send_hello(c);
	if (events != NULL)
		want_io(c);
	return c;
}

void
ipc_chan_free(struct ipc_chan **cp)
{
	struct ipc_chan *c = *cp;

	*cp = NULL;
	if (c == NULL || c->is_freed)
		return;
	c->is_freed = true;
	ev_defer_cancel(&c->flush);
	if (c->fd != -1) {
		ev_io_stop(&c->io);
		close(c->fd);
		c->fd = -1;
	}
	if (!c->is_busy)
		destroy(c);
}

void *
ipc_ctx(const struct ipc_chan *c)
{
	return c->ctx;
}

enum ipc_role
ipc_peer(const struct ipc_chan *c)
{
	return c->peer;
}

uint32_t
ipc_peer_instance(const struct ipc_chan *c)
{
	return c->peer_instance;
}

int
ipc_fd(const struct ipc_chan *c)
{
	return c->fd;
}

bool
ipc_is_ended(const struct ipc_chan *c)
{
	return c->is_ended;
}

size_t
ipc_backlog(const struct ipc_chan *c)
{
	return buf_len(&c->out);
}

int
ipc_out_fd_add(struct ipc_chan *c, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	/* the peer would wait for it in vain; without the channel both ends begin anew */
	if (copy == -1)
		return ipc_break(c, "a descriptor for %s cannot be duplicated: %s",
		    ipc_role_name(c->peer), strerrordesc_np(errno));
	if (c->n_out_fds == c->size_out_fds) {
		c->size_out_fds = c->size_out_fds * 2 + 4;
		c->out_fds = xreallocarray(c->out_fds, c->size_out_fds, sizeof *c->out_fds);
	}
	c->out_fds[c->n_out_fds++] =
	    (struct ipc_out_fd){.at = c->out_at + buf_len(&c->out), .fd = copy};
	return 0;
}

void
ipc_send(struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd)
{
	if (c->is_broken || c->is_mute || c->is_freed)
		return;
	ipc_frame_append(c, type, head, texts, fd);
	if (c->fd != -1)
		ev_defer_queue(&c->flush);
}

void
ipc_flush(struct ipc_chan *c)
{
	if (c->fd == -1 || c->is_broken || c->is_freed)
		return;
	ipc_write_out(c);
	want_io(c);
}

void
ipc_hold(struct ipc_chan *c, bool hold)
{
	if (c->held == hold)
		return;
	c->held = hold;
	if (!hold)
		ev_defer_queue(&c->flush);
	if (!c->is_busy && !c->is_freed && !c->is_told)
		want_io(c);
}
