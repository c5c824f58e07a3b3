/*
 * What the files of lib/ipc share: the table's rows, the frame, and a channel's inside. Nothing outside of lib/ipc
 * may include this.
 */
#ifndef PH_IPC_IPC_INT_H
#define PH_IPC_IPC_INT_H

#include "lib/base/buf.h"
#include "lib/ev/ev.h"
#include "lib/ipc/ipc.h"

/* In front of each message. Frames are padded with zeros to a multiple of 8, so that every head is aligned. */
struct ipc_frame {
	uint32_t len; /* whole frame: this, head, lengths, texts, padding */
	uint16_t type;
	uint16_t flags;
};
_Static_assert(sizeof(struct ipc_frame) == 8, "heads begin on a multiple of 8");

#define IPC_FLAG_FD   1u
#define IPC_ALIGN     8u
#define IPC_READ_SIZE (64u * 1024)
#define IPC_IN_SIZE   (IPC_MAX_FRAME + IPC_READ_SIZE)
#define IPC_HIGH_MARK (4u * 1024 * 1024)
#define IPC_LOW_MARK  (1u * 1024 * 1024)
/* a peer that lets this much pile up is as good as dead */
#define IPC_OUT_CAP (256u * 1024 * 1024)
/* an empty buffer larger than this is given back */
#define IPC_OUT_KEEP (1024u * 1024)
/* a frame takes at most one descriptor, and one more may come in front of the next frame's bytes */
#define IPC_MAX_IN_FDS 4

struct ipc_row {
	const char *name;
	unsigned from, to; /* ROLE_BITs */
	uint16_t head_size;
	uint8_t n_texts;
	bool with_fd;
};
/* NULL: there is no such type */
const struct ipc_row *ipc_row(uint32_t type);

struct ipc_out_fd {
	uint64_t at; /* position in the stream of the frame that it goes with */
	int fd;
};

struct ipc_chan {
	const struct ipc_events *events;
	void *ctx;
	enum ipc_role self, peer;
	uint32_t peer_instance;
	int fd; /* -1: a test's */
	struct ev_io io;
	struct ev_defer flush;

	struct buf out;
	uint64_t out_at; /* position in the stream of out's first byte */
	struct ipc_out_fd *out_fds;
	size_t n_out_fds, size_out_fds;

	char *in; /* IPC_IN_SIZE bytes */
	size_t in_head, in_tail;
	int in_fds[IPC_MAX_IN_FDS];
	size_t n_in_fds;

	struct why why; /* set when broken */
	bool has_hello; /* the peer's fitted */
	bool held;
	bool is_high;	/* `pressure` was told so */
	bool is_mute;	/* writing failed: what it still sends is read, nothing is sent */
	bool is_broken; /* `down` is due or was called */
	bool is_ended;	/* by the peer */
	bool is_told;	/* `down` was called */
	bool is_busy;	/* handlers run: freeing waits */
	bool is_freed;	/* ipc_chan_free came meanwhile */
};

/* ipc_frame.c: appends a frame to c->out. */
void ipc_frame_append(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd);
/*
 * One frame from the front of `bytes`, checked against its row for a message from `from` to `to`. > 0: bytes used
 * and *m filled (fd -1, *with_fd says whether one belongs to it); 0: more bytes are needed; < 0: malformed, `why`.
 */
int ipc_frame_parse(struct str bytes, enum ipc_role from, enum ipc_role to, struct ipc_msg *m,
    bool *with_fd, struct why *why);

/* The next message of c->in, HELLO dealt with; the same three results. */
int ipc_next_msg(struct ipc_chan *c, struct ipc_msg *m);
/* One recvmsg into c->in: bytes read, 0 for would-block, -1: broken (c->why). */
ssize_t ipc_fill(struct ipc_chan *c);
/* Hands out all whole messages of c->in, and `down` after it broke. May free c. */
void ipc_dispatch(struct ipc_chan *c);
/* Marks it broken; the first reason stays. Returns -1. */
int ipc_break(struct ipc_chan *c, const char *fmt, ...) PH_PRINTF(2, 3);
/* Writes what the socket takes. 0, or -1 once nothing can be written any more. */
int ipc_write_out(struct ipc_chan *c);

/* ipc_chan.c: a channel without registration in the loop. */
struct ipc_chan *ipc_chan_make(int fd, enum ipc_role self, enum ipc_role peer,
    uint32_t peer_instance, const struct ipc_events *events, void *ctx);
/* A copy of fd goes with the next frame. -1: the channel is broken, for no descriptor was free. */
int ipc_out_fd_add(struct ipc_chan *c, int fd) PH_MUST_CHECK;

#endif
