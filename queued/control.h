/*
 * The control socket: clients ask by typed requests; an answer is a tree of (path, value) leaves in pages, so that
 * a slow reader holds nothing up. Each command is one function in a table; rights come from the peer's
 * credentials: root and our own user may do everything, the group pmta may read and operate, others nothing.
 */
#ifndef PH_QUEUED_CONTROL_H
#define PH_QUEUED_CONTROL_H

#include "lib/ctl/commands.h"
#include "lib/ipc/ipc.h"

#define CONTROL_PAGE 200

/* one request being answered */
struct control {
	struct ipc_chan			*chan;
	const struct ipc_ctl_request	*req;
	const struct str		*args; /* by enum ctl_arg */
	uint64_t			 next; /* cursor of the next page, 0: complete */
	uint32_t			 n_rows;
	enum ctl_rights			 rights;
	bool				 later; /* the END comes with an answer of another process */
};

/* Looks up the group; before the sandbox. */
void control_init(void);
void control_listen(int fd);
/* A daemon's statistics page; takes the descriptor. */
void control_stats_page(const struct ipc_fd *what, int fd);
void control_answer(const struct ipc_msg *m);

/* For the commands: one leaf. The path is printf-made. */
void control_text(struct control *c, struct str value, const char *path, ...) PH_PRINTF(3, 4);
void control_number(struct control *c, uint64_t value, const char *path, ...) PH_PRINTF(3, 4);
void control_bool(struct control *c, bool value, const char *path, ...) PH_PRINTF(3, 4);
/* Ends the answer with a sentence for a person. */
void control_end(struct control *c, bool ok, const char *fmt, ...) PH_PRINTF(3, 4);
struct str control_arg(const struct control *c, enum ctl_arg a);
bool control_flag(const struct control *c, const char *word);
/* Asks master or acctd; its answer ends the request. */
void control_ask(struct control *c, struct ipc_chan *whom, enum ask_what what, struct str argument);
/* The sum of a counter over all daemons' pages. */
uint64_t control_stat(uint32_t stat_id);

#endif
