/* What the files of this folder share. */
#ifndef PH_PROCESSOR_PROCESSOR_INT_H
#define PH_PROCESSOR_PROCESSOR_INT_H

#include "lib/base/regex.h"
#include "lib/processor/processor.h"
#include "lib/remote/remote.h"
#include "lib/spool/envelope.h"
#include "lib/spool/reader.h"

#define MAX_PATTERNS 32
#define MAX_WANTED   64 /* columns header_NAME and arf_NAME */

struct processor {
	struct spool_reader *reader;
	const struct conf *conf;
	const struct track *track; /* NULL: no key */
	enum conf_processor which;
	struct buf raw, scratch, pairs;
	struct buf headers; /* of what comes back: the columns wanted, the same for each record */
	const struct processor_events *events;
	void *ctx; /* of theirs */
	struct {
		struct regex *regex;
		char *name; /* of the file, owned */
	} patterns[MAX_PATTERNS];
	size_t n_patterns;
	bool logs_matches;
	struct str wanted[MAX_WANTED]; /* borrowed from the configuration and the table of fields */
	size_t n_wanted;
	struct net_cidr *trusted; /* owned */
	size_t n_trusted;
};

/* one message while it is read */
struct reading {
	struct processor *p;
	const struct ipc_process *what;
	struct ipc_chan *to;
	struct envelope env;
	char rcpt[REMOTE_ADDRESS]; /* the processor's address, as it came */
	struct str message;	   /* without stuffing dots */
	struct remote_report report;
	bool is_trusted, has_token, has_verp;
	struct track_of token;
	char token_text[TRACK_TEXT];
	struct track_verp verp;
	uint32_t n_sent;
	uint32_t fbl;	/* the <fbl> block whose address this is, from 1 on; 0: none */
	bool complains; /* of a complaint: its recipient wants no more such mail */
	char says[256]; /* and what it is, for a person */
};

/* message.c: envelope, recipient and message of the record, from the spool. -1 with `why`. */
int message_read(struct reading *rd, struct why *why) PH_MUST_CHECK;

/* identity.c: whose mail was it? */
struct identity {
	char rcpt[REMOTE_ADDRESS], sender[REMOTE_ADDRESS];
	struct str envid;
	uint8_t proof; /* enum report_proof */
};
void identity_prepare(struct reading *rd);
/* For a report's recipient as it names him; empty texts: it does not. */
void identity_of_bounce(
    const struct reading *rd, struct str original, struct str final, struct identity *id);
void identity_of_complaint(const struct reading *rd, struct str complainant, struct identity *id);

/* report.c, complaint.c: the records of what lib/remote read; false: it is none of that. */
bool report_tell(struct reading *rd);
bool complaint_tell(struct reading *rd);
/* patterns.c: by the operator's patterns; false: none fits. */
bool patterns_tell(struct reading *rd);

/* answer.c */
void answer_begin(struct reading *rd);
void answer_put(struct reading *rd, const char *name, struct str value);
void answer_put_headers(struct reading *rd);
void answer_send(struct reading *rd, enum acct_type type, const struct identity *id);

#endif
