/*
 * What needs a person's eye: one list without repetitions, for `show alerts`, the monitor, the stream of events, mail
 * (alert-notify) and a command (alert-command). An alert is raised and cleared by who knows; raised again it only
 * counts. Mail and command get what is new gathered, at most once a minute. It changes nothing by itself.
 */
#ifndef PH_QUEUED_ALERT_ALERT_H
#define PH_QUEUED_ALERT_ALERT_H

#include "lib/base/str.h"

/* row: name, word, is it critical, is it mailed (others have a mail of their own) */
#define ALERT_KINDS(X)                                                                             \
	X(BACKOFF, "backoff", false, false)                                                        \
	X(SOURCE, "source-disabled", false, false)                                                 \
	X(THRESHOLD, "threshold", false, true)                                                     \
	X(DISK, "disk", true, true)                                                                \
	X(QUEUE_AGE, "queue-age", false, true)                                                     \
	X(CERTIFICATE, "certificate", false, true)                                                 \
	X(RESTART, "restart", true, true)                                                          \
	X(ACCOUNTING, "accounting", true, true)                                                    \
	X(DNSBL, "dnsbl", true, true)

enum alert_kind {
#define X(name, text, critical, mailed) ALERT_##name,
	ALERT_KINDS(X)
#undef X
	    ALERT_KIND_MAX
};

/* The subject is what it is about (a queue, a job, a file); with the kind it tells one alert from another. */
void alert_raise(enum alert_kind kind, struct str subject, const char *fmt, ...) PH_PRINTF(3, 4);
/* The same, and it is cleared by itself after so long. */
void alert_raise_for(enum alert_kind kind, int64_t ms, struct str subject, const char *fmt, ...)
    PH_PRINTF(4, 5);
/* Nothing happens when it is not raised. */
void alert_clear(enum alert_kind kind, struct str subject);

#endif
