/*
 * Reads the messages that come to a processor's addresses (<bounce-processor>, <feedback-loop-processor>, <fbl>): from
 * the spool, by lib/remote, and says what each of them tells: the values of its accounting records, and what proves
 * that it is about mail of ours. What follows from it is decided elsewhere; it changes nothing and sends no mail.
 */
#ifndef PH_PROCESSOR_PROCESSOR_H
#define PH_PROCESSOR_PROCESSOR_H

#include "lib/classify/classify.h"
#include "lib/conf/processor.h"
#include "lib/ipc/ipc.h"
#include "lib/remote/remote.h"
#include "lib/track/track.h"

/* of a message that are read; a report says what it has to say long before */
#define PROCESSOR_MAX_READ (8u * 1024 * 1024)

struct processor;
/*
 * spool_fd is borrowed. `track` NULL: there is no key, nothing is proved.
 */
struct processor *processor_new(int spool_fd, enum conf_processor which, const struct track *track);
void processor_free(struct processor **p);
/* A recipient of ours who, it is proved, does not get our mail: what a report says of him. Views, for the call. */
struct processor_failure {
	struct str rcpt, vmta, job;
	struct failure what;
};
/* What is to be judged of a report's recipient. Views of both, which have to live on. */
struct failure processor_failure_of(const struct remote_report *r, const struct remote_rcpt *rc);
/* What its owner has to say about what is read. Each may be NULL. */
struct processor_events {
	/* the bounce's category; the word is borrowed until the next call */
	const char *(*category)(void *ctx, const struct failure *f);
	void (*failed)(void *ctx, const struct processor_failure *f);
	/* All was told of a message that could be read. True: the owner sends PROCESSED, when what follows is on disk. */
	bool (*keep_end)(void *ctx, const struct ipc_processed *done);
};
/* Borrows `e`. */
void processor_set_events(struct processor *p, const struct processor_events *e, void *ctx);
/* Compiles the patterns. `c` is borrowed until the next call. */
void processor_use_conf(struct processor *p, const struct conf *c);
/*
 * Reads the message and answers, at once: PROCESSED that it has begun, PROCESSED_RCPT for each record, PROCESSED with the
 * verdict.
 */
void processor_answer(struct processor *p, const struct ipc_process *what, struct ipc_chan *to);
/* The message alone, as it came, without its stuffing dots; borrowed until the next call. -1 with `why`. */
int processor_read(struct processor *p, const struct ipc_process *what, struct str *message,
    struct why *why) PH_MUST_CHECK;

#endif
