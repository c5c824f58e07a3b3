/*
 * Makes the values of the fields (lib/acct/fields.def) from a RECORD message and what the spool has of it. Values
 * are raw: quoting is the CSV writer's.
 */
#ifndef PH_ACCTD_VALUE_H
#define PH_ACCTD_VALUE_H

#include "acctd/def.h"
#include "lib/ipc/ipc.h"
#include "lib/spool/envelope.h"

/* the texts of a RECORD message, in their order */
enum record_text {
	TEXT_DIAG,
	TEXT_MTA,
	TEXT_VMTA,
	TEXT_POOL,
	TEXT_QUEUE,
	TEXT_TLS_PROTOCOL,
	TEXT_TLS_CIPHER,
	TEXT_CATEGORY
};

struct acct_event {
	const struct ipc_record *record;
	const struct str *text; /* by enum record_text */
	enum acct_rec rec;
	const struct acct_def *def;  /* the file that it is for */
	const struct envelope *env;  /* NULL: none could be read, or the record has none */
	const struct env_rcpt *rcpt; /* NULL with env */
	struct str pairs;	     /* of a report: its values (lib/acct/pairs.h) */
	struct str headers;	     /* the message's header section, or empty */
};

/* The line of this event in the layout of e->def, with its end. -1: b is full; it is then as it was. */
int value_line(const struct acct_event *e, struct buf *b, struct buf *scratch) PH_MUST_CHECK;

#endif
