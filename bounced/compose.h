/*
 * One REPORT: reads the message from the spool, decides by RFC 3461 who is reported on, and makes the new messages.
 * It never makes one about a message from the null sender or about a report.
 */
#ifndef PH_BOUNCED_COMPOSE_H
#define PH_BOUNCED_COMPOSE_H

#include "bounced/gather.h"
#include "lib/base/buf.h"
#include "lib/conf/conf.h"
#include "lib/mail/report.h"
#include "lib/spool/envelope.h"
#include "lib/spool/reader.h"

#define COMPOSE_MAX_RCPTS   500 /* in one report; more of them make more reports */
#define COMPOSE_MAX_HEADERS (64u * 1024)
#define COMPOSE_MAX_FULL    (1024u * 1024)

struct wording;
struct composer {
	struct spool_reader *reader;
	struct buf raw, scratch; /* the message that is reported on */
	struct buf env, message; /* the report */
	char host[256];
	char *from;		 /* custom-dsn-from-header, owned; NULL: none */
	struct wording *wording; /* by the configuration (wording.h), owned; NULL: none yet */
};

void composer_init(struct composer *c, int spool_fd);
void composer_clear(struct composer *c);
/* conf is borrowed until the next call. */
void composer_use_conf(struct composer *c, const struct conf *conf);

/* Takes one finished report: its envelope lines (without the empty line) and message, borrowed for the call. */
typedef void compose_cb(void *ctx, uint64_t id, struct str env, struct str message);
struct compose_out {
	uint64_t (*new_id)(void *ctx);
	compose_cb *report;
	void *ctx;
};
/* Calls out->report for each report that is due, none or more. -1 with `why`: the message cannot be read. */
int compose(struct composer *c, const struct ipc_report *what, const struct gathered *g,
    const struct compose_out *out, struct why *why) PH_MUST_CHECK;

#endif
