/* What the files of local deliveries share. */
#ifndef PH_DELIVERD_LOCAL_INT_H
#define PH_DELIVERD_LOCAL_INT_H

#include "deliverd/deliver.h"
#include "deliverd/local.h"
#include "deliverd/mail.h"

struct local_txn {
	STAILQ_ENTRY(local_txn) link;
	struct ipc_txn head;
	uint32_t n;
	uint32_t idx[];
};

/* the message as a command reads it: without the dots of SMTP, with its own line ends */
struct local_body {
	const struct mail *mail;
	uint64_t at; /* of the stored form */
	bool in_head, is_over;
	bool at_start; /* of a line */
	bool has_cr;   /* one that waits for what follows */
	bool with_cr;  /* lines end in CRLF, not in LF */
	uint64_t bytes;
};
void local_body_begin(struct local_body *b, const struct mail *m, bool with_cr);
/* Appends up to about `max` bytes; nothing more when is_over. False: it cannot be read. */
bool local_body_next(struct local_body *b, size_t max, struct buf *out);

/* How a run's end is told. */
struct local_verdict {
	enum rcpt_outcome outcome;
	uint8_t enh[3];
	char text[400]; /* printable */
};
void local_judge(const struct run_end *end, enum delivery_type type, struct local_verdict *v);

/* The values for the i-th recipient of the transaction; they lie in buf, which is emptied. */
void local_values(const struct mail *m, uint32_t i, const struct local_txn *t, bool keep_case,
    struct buf *buf, struct str values[COMMAND_VALUES]);

#endif
