/*
 * What happens, told as it happens to the control clients that asked for it (pmtactl tail, the monitor). Each has a
 * filter and a bounded backlog: who reads too slowly loses events and is told how many. With nobody listening what
 * concerns mail costs one test; the rest is kept for an hour (changes.h). It never holds anything up.
 */
#ifndef PH_QUEUED_CONTROL_TAIL_H
#define PH_QUEUED_CONTROL_TAIL_H

#include "lib/base/clock.h"
#include "queued/control/control.h"

/* row: name, the word in outputs and in --event */
#define TAIL_KINDS(X)                                                                              \
	X(DELIVERED, "delivered")                                                                  \
	X(BOUNCED, "bounced")                                                                      \
	X(DEFERRED, "deferred")                                                                    \
	X(EXPIRED, "expired")                                                                      \
	X(DELETED, "deleted")                                                                      \
	X(CONNECT, "connect")                                                                      \
	X(DISCONNECT, "disconnect")                                                                \
	X(MODE, "mode")                                                                            \
	X(SOURCE, "source")                                                                        \
	X(ALERT, "alert")                                                                          \
	X(COMMAND, "command")

enum tail_kind {
#define X(name, text) TAIL_##name,
	TAIL_KINDS(X)
#undef X
	    TAIL_MAX
};

/* all borrowed for the call; empty: does not apply */
struct tail_event {
	enum tail_kind kind;
	struct str queue, rcpt, sender, job, source, host, text;
};

const char *tail_kind_name(enum tail_kind kind);
/* Does anybody want events of that kind? Ask before making one. */
bool tail_is_wanted(enum tail_kind kind);
void tail_tell(const struct tail_event *e);
/* An event of a queue without a recipient. */
void tail_queue(enum tail_kind kind, const char *queue, struct str text);
/* The client has gone. */
void tail_gone(const struct ipc_chan *chan);

#endif
