/*
 * Typed messages between processes, over Unix stream sockets. `messages.def` has one row a message; from it come
 * the numbers, names, sizes, permitted senders and receivers, and a hash that both ends compare in their hello.
 *
 * On the wire: struct ipc_frame; the row's head struct (fixed, padding-free, native byte order: both ends are of
 * one build); one uint16_t a text with its length; the texts. The receiver checks everything against the row; any
 * failure closes the channel ("that peer dies"). Who sent a message is known from the channel, never from its
 * content. Sending only appends to the channel's buffer; it is written once at the end of the loop's turn.
 */
#ifndef PH_IPC_IPC_H
#define PH_IPC_IPC_H

#include "lib/base/str.h"
#include "lib/base/why.h"

enum ipc_role {
	ROLE_NONE,
	ROLE_MASTER,
	ROLE_INJECT,
	ROLE_QUEUE,
	ROLE_DNS,
	ROLE_DELIVER,
	ROLE_BOUNCE,
	ROLE_ACCT,
	ROLE_SIGN,
	ROLE_EXEC,
	ROLE_FBL,
	ROLE_WEB,
	ROLE_CTL, /* a client on the control socket */
	ROLE_MAX
};
#define ROLE_BIT(r) (1u << (r))
/* "injectd", "queued", …; "?" for a number out of range */
const char *ipc_role_name(enum ipc_role role);

#define IPC_MAX_TEXTS 12
#define IPC_MAX_FRAME (64 * 1024)

#include "lib/ipc/structs.h"

enum ipc_type {
#define MSG(name, number, from, to, head, texts, fd) IPC_##name = (number),
#include "lib/ipc/messages.def"
#undef MSG
};

struct ipc_msg {
	enum ipc_type type;
	int fd; /* the descriptor that came with it, or -1; the handler owns it and must take it (set to -1) */
	const void *head; /* aligned; of the row's struct; borrowed during the handler */
	struct str text[IPC_MAX_TEXTS];
};

struct ipc_chan;
/* A message has passed all checks of its row. Closing the channel (any channel) inside is allowed. */
typedef void ipc_msg_cb(struct ipc_chan *c, struct ipc_msg *m);
/* The peer is gone or broke the protocol (`why`); the channel is closed by the callee with ipc_chan_free(). */
typedef void ipc_down_cb(struct ipc_chan *c, const struct why *why);
/* Above the high mark of unsent bytes (true) or back below the low mark (false): stop or resume your own input. */
typedef void ipc_pressure_cb(struct ipc_chan *c, bool high);

struct ipc_events {
	ipc_msg_cb *msg;
	ipc_down_cb *down;
	ipc_pressure_cb *pressure; /* may be NULL */
};

/*
 * A channel over a connected, non-blocking socket, which it takes. `self` and `peer` are the roles by which every
 * row is checked. Each side sends HELLO first (done here) and nothing is delivered before the peer's HELLO fits.
 * `ctx` is the owner's, see ipc_ctx(). Returns owned.
 */
struct ipc_chan *ipc_chan_new(int fd, enum ipc_role self, enum ipc_role peer,
    uint32_t peer_instance, const struct ipc_events *events, void *ctx);
/* Closes and frees; unsent bytes are dropped. Sets NULL; accepts NULL. */
void ipc_chan_free(struct ipc_chan **c);

void *ipc_ctx(const struct ipc_chan *c);
enum ipc_role ipc_peer(const struct ipc_chan *c);
uint32_t ipc_peer_instance(const struct ipc_chan *c);
int ipc_fd(const struct ipc_chan *c);
/* For `down`: did the peer end it, whose process then most often is gone? False: we did, and it may go on without. */
bool ipc_is_ended(const struct ipc_chan *c);

/*
 * Appends one message: the row's head struct (NULL: all zero), and as many texts as the row has. Panics when the row forbids it
 * (we are wrong). A text longer than fits is the caller's fault and panics too: cut before. fd -1: none;
 * otherwise it is duplicated here and the caller keeps his own.
 */
void ipc_send(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd);
/* Bytes not yet written. */
size_t ipc_backlog(const struct ipc_chan *c);
/* Writes now what the socket takes (normally done by the loop). */
void ipc_flush(struct ipc_chan *c);
/* Stops (true) or resumes (false) reading from this peer: back-pressure towards it. */
void ipc_hold(struct ipc_chan *c, bool hold);

/* For tools without a loop: blocks until one message came (timeout_ms < 0: for ever). 0, or -1 with `why`. */
int ipc_read_blocking(
    struct ipc_chan *c, struct ipc_msg *m, int timeout_ms, struct why *why) PH_MUST_CHECK;
int ipc_flush_blocking(struct ipc_chan *c, int timeout_ms, struct why *why) PH_MUST_CHECK;

/*
 * In tests: a channel without a socket. What is sent is kept; ipc_test_take() gives it message by message, in
 * order, and ipc_test_deliver() hands a message to the channel's own `msg` handler, checked like a real one.
 */
struct ipc_chan *ipc_chan_new_test(enum ipc_role self, enum ipc_role peer, uint32_t peer_instance,
    const struct ipc_events *events, void *ctx);
bool ipc_test_take(struct ipc_chan *c, struct ipc_msg *m);
void ipc_test_deliver(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts);
/* The same with a descriptor, which the handler takes. */
void ipc_test_deliver_fd(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd);
/* The same for raw bytes, as if the socket had given them: frames, or what only resembles them. */
void ipc_test_deliver_bytes(struct ipc_chan *c, struct str bytes);
/* As if the peer had gone: calls `down`. */
void ipc_test_down(struct ipc_chan *c);

const char *ipc_type_name(uint32_t type);
uint64_t ipc_protocol_hash(void);

#endif
