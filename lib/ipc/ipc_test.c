#include "lib/ipc/ipc_int.h"

#include "lib/base/log.h"

struct ipc_chan *
ipc_chan_new_test(enum ipc_role self, enum ipc_role peer, uint32_t peer_instance,
    const struct ipc_events *events, void *ctx)
{
	struct ipc_chan *c = ipc_chan_make(-1, self, peer, peer_instance, events, ctx);

	c->has_hello = true;
	return c;
}

bool
ipc_test_take(struct ipc_chan *c, struct ipc_msg *m)
{
	struct why why;
	bool with_fd;
	int n = ipc_frame_parse(buf_str(&c->out), c->self, c->peer, m, &with_fd, &why);

	if (n < 0)
		panic("ipc: we made %s", why.text);
	if (n == 0)
		return false;
	/* the bytes stay where they are until the next append: consuming only moves the front */
	buf_consume(&c->out, (size_t)n);
	c->out_at += (uint64_t)n;
	if (with_fd) {
		m->fd = c->out_fds[0].fd;
		c->n_out_fds--;
		memmove(c->out_fds, c->out_fds + 1, c->n_out_fds * sizeof c->out_fds[0]);
	}
	return true;
}

void
ipc_test_deliver_bytes(struct ipc_chan *c, struct str bytes)
{
	bool was_busy = c->is_busy;
	size_t n;

	while (bytes.len > 0 && !c->is_broken) {
		memmove(c->in, c->in + c->in_head, c->in_tail - c->in_head);
		c->in_tail -= c->in_head;
		c->in_head = 0;
		n = PH_MIN(bytes.len, IPC_IN_SIZE - c->in_tail);
		ph_assert(n > 0);
		memcpy(c->in + c->in_tail, bytes.p, n);
		c->in_tail += n;
		bytes = str_skip(bytes, n);
		c->is_busy = true;
		ipc_dispatch(c);
		c->is_busy = was_busy;
		if (c->is_freed)
			break;
	}
	if (c->is_freed && !was_busy) {
		c->is_freed = false;
		ipc_chan_free(&c);
	}
}

void
ipc_test_deliver_fd(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd)
{
	/* a channel of the other side makes the frame: the same checks on both */
	struct ipc_chan *other = ipc_chan_new_test(c->peer, c->self, 0, NULL, NULL);

	ipc_frame_append(other, type, head, texts, fd);
	if (fd != -1) {
		ph_assert(c->n_in_fds < IPC_MAX_IN_FDS);
		c->in_fds[c->n_in_fds++] = fd;
	}
	ipc_test_deliver_bytes(c, buf_str(&other->out));
	ipc_chan_free(&other);
}

void
ipc_test_deliver(struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts)
{
	ipc_test_deliver_fd(c, type, head, texts, -1);
}

void
ipc_test_down(struct ipc_chan *c)
{
	c->is_ended = true;
	ipc_break(c, "%s is gone", ipc_role_name(c->peer));
	ipc_dispatch(c);
}
