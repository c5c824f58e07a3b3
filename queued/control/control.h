/*
 * The control socket: clients ask by typed requests; an answer is a tree of (path, value) leaves. What takes long is
 * done in pieces, one a turn of the loop, and stops while the client does not read, so that neither a large answer nor
 * a slow reader holds anything up. Each command is one function in a table; rights come from the peer's credentials:
 * root and our own user may do everything; members of the group pmta may read and operate, only read when they are
 * also in pmta-read, do everything when they are in pmta-admin; others nothing.
 */
#ifndef PH_QUEUED_CONTROL_CONTROL_H
#define PH_QUEUED_CONTROL_CONTROL_H

#include "lib/ctl/commands.h"
#include "lib/ipc/ipc.h"
#include "queued/control/traffic.h"

#define CONTROL_MAX_ARG	  1000
#define CONTROL_MAX_ROWS  (48 * 1024) /* of an import, in one argument */
#define CONTROL_MAX_PAGES 128

struct stats_page;

/* one request being answered */
struct control {
	struct ipc_chan *chan;
	const struct ipc_ctl_request *req;
	const struct str *args; /* by enum ctl_arg */
	uint64_t next;		/* resolve: where the client asks again, 0: complete */
	enum ctl_rights rights;
	bool later; /* the END comes with an answer of another process */
	int exit;   /* of sysexits.h: what a refusal means to a script; 0: nothing particular */
};

/* Looks up the group; before the sandbox. */
void control_init(void);
void control_listen(int fd);
/* A channel of webd's, which takes descriptor fd: it may ask everything, and decides itself for whom. */
void control_add_web(uint32_t number, int fd);
/* A daemon's statistics page; takes the descriptor. */
void control_stats_page(const struct ipc_fd *what, int fd);
void control_answer(const struct ipc_msg *m);

/* For the commands: one leaf. The path is printf-made. */
void control_text(struct control *c, struct str value, const char *path, ...) PH_PRINTF(3, 4);
void control_number(struct control *c, uint64_t value, const char *path, ...) PH_PRINTF(3, 4);
void control_bool(struct control *c, bool value, const char *path, ...) PH_PRINTF(3, 4);
/* A list without rows: machine forms show it as such. */
void control_no_rows(struct control *c, const char *name);
/* How far it is, for one who watches: none of the answer. */
void control_progress(struct control *c, uint32_t per_cent);
/* Ends the answer with a sentence for a person. */
void control_end(struct control *c, bool ok, const char *fmt, ...) PH_PRINTF(3, 4);
struct str control_arg(const struct control *c, enum ctl_arg a);
bool control_flag(const struct control *c, const char *word);
/* Asks master or acctd; its answer ends the request. */
void control_ask(struct control *c, struct ipc_chan *whom, enum ask_what what, struct str argument);
/* Passes the request on to bounced, which answers it. */
void control_forward(struct control *c);
void control_forward_field(const struct ipc_msg *m);
void control_forward_end(const struct ipc_msg *m);
/* bounced died: who waits for it is told. */
void control_forward_gone(void);
/*
 * The answer goes on in later turns of the loop: `step` does a bounded piece of work, and returns true once it has
 * called control_end(). It is not called while the client does not read. Takes `state`; `done` (NULL: free) frees it.
 * The control that `step` gets holds the arguments; that of the caller ends with the command's function.
 */
typedef bool control_step(struct control *c, void *state);
void control_go_on(struct control *c, control_step *step, void (*done)(void *state), void *state);

/*
 * The answer goes on without an end: events are sent over c->chan as they happen, until the client leaves
 * (tail_gone(), trace_gone()), asks something else, which ends it, or control_stream_end() is called.
 */
void control_stream(struct control *c);
void control_stream_end(struct ipc_chan *chan, bool ok, const char *text);

/* Traffic, counted once a second from all daemons' pages. */
const struct traffic *control_traffic(void);
void control_traffic_reset(void);
/* The highest a gauge was at any second since the start or the reset. */
uint64_t control_top(uint32_t stat_id);
/* All pages, its own first; at most `max`. */
size_t control_pages(const struct stats_page **list, size_t max);
/* The sum of a counter over all daemons' pages. */
uint64_t control_stat(uint32_t stat_id);

#endif
