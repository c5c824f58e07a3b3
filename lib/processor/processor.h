/*
 * Reads the messages that come to a processor's addresses (<bounce-processor>, <feedback-loop-processor>, <fbl>): from
 * the spool, by lib/remote, and says what each of them tells: the values of its accounting records, and what proves
 * that it is about mail of ours. What follows from it is decided elsewhere; it changes nothing and sends no mail.
 */
#ifndef PH_PROCESSOR_PROCESSOR_H
#define PH_PROCESSOR_PROCESSOR_H

#include "lib/conf/processor.h"
#include "lib/ipc/ipc.h"
#include "lib/track/track.h"

/* of a message that are read; a report says what it has to say long before */
#define PROCESSOR_MAX_READ (8u * 1024 * 1024)

struct processor;
/*
 * spool_fd is borrowed. `track` NULL: there is no key, nothing is proved. `category` NULL, or what names a bounce's
 * category; the word is borrowed until the next call.
 */
struct processor *processor_new(int spool_fd, enum conf_processor which, const struct track *track);
void processor_free(struct processor **p);
typedef const char *processor_category(
    void *ctx, uint16_t code, const uint8_t enh[3], struct str diag, struct str mta);
void processor_set_category(struct processor *p, processor_category *category, void *ctx);
/* A recipient of ours who, it is proved, does not get our mail: what a report says of him. Views, for the call. */
struct processor_failure {
	struct str rcpt, vmta, job, diag, mta;
	uint16_t code;
	uint8_t enh[3];
};
typedef void processor_failed(void *ctx, const struct processor_failure *f);
void processor_set_failed(struct processor *p, processor_failed *failed, void *ctx);
/* Compiles the patterns. `c` is borrowed until the next call. */
void processor_use_conf(struct processor *p, const struct conf *c);
/*
 * Reads the message and answers, at once: PROCESSED that it has begun, PROCESSED_RCPT for each record, PROCESSED with the
 * verdict.
 */
void processor_answer(struct processor *p, const struct ipc_process *what, struct ipc_chan *to);

#endif
