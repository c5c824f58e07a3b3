#include "lib/ipc/ipc_int.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/log.h"

/* room for more than we permit, so that a flood is seen instead of cut; the kernel closes what does not fit */
#define MAX_CMSG_FDS 8

int
ipc_break(struct ipc_chan *c, const char *fmt, ...)
{
	va_list ap;

	if (c->is_broken)
		return -1;
	c->is_broken = true;
	c->why = (struct why){0};
	va_start(ap, fmt);
	vsnprintf(c->why.text, sizeof c->why.text, fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- reading ---- */

static int
keep_fds(struct ipc_chan *c, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c->n_in_fds < IPC_MAX_IN_FDS && n == 1)
			c->in_fds[c->n_in_fds++] = fds[i];
		else
			close(fds[i]);
	}
	if (n > 1)
		return ipc_break(c, "%s sent %zu descriptors at once", ipc_role_name(c->peer), n);
	return 0;
}

static int
take_fds(struct ipc_chan *c, struct msghdr *mh)
{
	struct cmsghdr *cm;
	int fds[MAX_CMSG_FDS];
	size_t n;

	for (cm = CMSG_FIRSTHDR(mh); cm != NULL; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = PH_MIN((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)MAX_CMSG_FDS);
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
		if (c->n_in_fds + n > IPC_MAX_IN_FDS)
			ipc_break(
			    c, "%s sent descriptors without messages", ipc_role_name(c->peer));
		if (keep_fds(c, fds, n) == -1)
			return -1;
	}
	if (mh->msg_flags & MSG_CTRUNC)
		ipc_break(c, "%s sent more descriptors than fit", ipc_role_name(c->peer));
	return c->is_broken ? -1 : 0;
}

static void
slide_in(struct ipc_chan *c)
{
	size_t len = c->in_tail - c->in_head;

	if (c->in_head == 0)
		return;
	if (len > 0)
		memmove(c->in, c->in + c->in_head, len);
	c->in_head = 0;
	c->in_tail = len;
}

ssize_t
ipc_fill(struct ipc_chan *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_CMSG_FDS * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	slide_in(c);
	iov = (struct iovec){.iov_base = c->in + c->in_tail, .iov_len = IPC_IN_SIZE - c->in_tail};
	mh.msg_control = control.bytes;
	mh.msg_controllen = sizeof control.bytes;
	n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0 && !c->is_broken)
		c->is_ended = true;
	if (n == -1)
		return ipc_break(c, "%s: %s", ipc_role_name(c->peer), strerrordesc_np(errno));
	if (n == 0)
		return ipc_break(c, "%s is gone", ipc_role_name(c->peer));
	if ((mh.msg_controllen > 0 || (mh.msg_flags & MSG_CTRUNC)) && take_fds(c, &mh) == -1)
		return -1;
	c->in_tail += (size_t)n;
	return n;
}

static int
check_hello(struct ipc_chan *c, const struct ipc_msg *m)
{
	const struct ipc_hello *h = m->head;

	if (m->type != IPC_HELLO)
		return ipc_break(c, "%s did not begin with HELLO", ipc_role_name(c->peer));
	if (h->protocol != ipc_protocol_hash())
		return ipc_break(c, "%s is of another build", ipc_role_name(c->peer));
	if (h->role != c->peer)
		return ipc_break(
		    c, "%s says that it is %s", ipc_role_name(c->peer), ipc_role_name(h->role));
	c->has_hello = true;
	return 0;
}

static int
attach_fd(struct ipc_chan *c, struct ipc_msg *m)
{
	if (c->n_in_fds == 0)
		return ipc_break(c, "%s sent %s without its descriptor", ipc_role_name(c->peer),
		    ipc_type_name(m->type));
	m->fd = c->in_fds[0];
	c->n_in_fds--;
	memmove(c->in_fds, c->in_fds + 1, c->n_in_fds * sizeof c->in_fds[0]);
	return 0;
}

static int
next_frame(struct ipc_chan *c, struct ipc_msg *m)
{
	struct str rest = str_from(c->in + c->in_head, c->in_tail - c->in_head);
	struct why why;
	bool with_fd;
	int n = ipc_frame_parse(rest, c->peer, c->self, m, &with_fd, &why);

	if (n < 0)
		return ipc_break(c, "%s sent %s", ipc_role_name(c->peer), why.text);
	/* a descriptor travels with its frame's first byte, so beyond one for the frame under way there is none */
	if (n == 0 && c->n_in_fds > (rest.len > 0 ? 1u : 0u))
		return ipc_break(
		    c, "%s sent a descriptor without its message", ipc_role_name(c->peer));
	if (n == 0)
		return 0;
	c->in_head += (size_t)n;
	if (with_fd && attach_fd(c, m) == -1)
		return -1;
	return n;
}

int
ipc_next_msg(struct ipc_chan *c, struct ipc_msg *m)
{
	int n = next_frame(c, m);

	if (n > 0 && !c->has_hello) {
		if (check_hello(c, m) == -1)
			return -1;
		n = next_frame(c, m);
	}
	if (n > 0 && m->type == IPC_HELLO)
		return ipc_break(c, "%s said HELLO twice", ipc_role_name(c->peer));
	return n;
}

/* ---- writing ---- */

/* how many bytes may go in one call: a frame with a descriptor begins a call of its own */
static size_t
writable_len(const struct ipc_chan *c, int *fd)
{
	size_t len = buf_len(&c->out), next = 0;

	*fd = -1;
	if (c->n_out_fds > 0 && c->out_fds[0].at == c->out_at) {
		*fd = c->out_fds[0].fd;
		next = 1;
	}
	if (next < c->n_out_fds)
		len = PH_MIN(len, (size_t)(c->out_fds[next].at - c->out_at));
	return len;
}

static void
drop_first_out_fd(struct ipc_chan *c)
{
	close(c->out_fds[0].fd);
	c->n_out_fds--;
	memmove(c->out_fds, c->out_fds + 1, c->n_out_fds * sizeof c->out_fds[0]);
}

static ssize_t
write_piece(struct ipc_chan *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	int fd;
	struct iovec iov = {.iov_len = writable_len(c, &fd)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	iov.iov_base = (void *)(uintptr_t)buf_str(&c->out).p;
	if (fd != -1) {
		control.align = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		mh.msg_control = control.bytes;
		mh.msg_controllen = sizeof control.bytes;
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&mh)), &fd, sizeof fd);
	}
	n = sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0 && fd != -1)
		drop_first_out_fd(c);
	return n;
}

/* what it cannot be told any more is dropped; what it said before it went is still read */
static int
go_mute(struct ipc_chan *c)
{
	c->is_mute = true;
	while (c->n_out_fds > 0)
		drop_first_out_fd(c);
	buf_clear(&c->out);
	return -1;
}

int
ipc_write_out(struct ipc_chan *c)
{
	ssize_t n;

	if (c->is_mute)
		return -1;
	while (buf_len(&c->out) > 0) {
		n = write_piece(c);
		/* too many descriptors in flight heals when the peer reads */
		if (n == -1 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS))
			return 0;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return go_mute(c);
		buf_consume(&c->out, (size_t)n);
		c->out_at += (uint64_t)n;
	}
	if (c->out.size > IPC_OUT_KEEP)
		buf_clear(&c->out);
	return 0;
}
