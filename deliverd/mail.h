/*
 * One message as a transaction needs it: the envelope's values, the recipients asked for, and the content, either
 * in memory (small records: one read) or as a range of a file (for sendfile). Reads the spool, never writes it.
 */
#ifndef PH_DELIVERD_MAIL_H
#define PH_DELIVERD_MAIL_H

#include "lib/base/buf.h"
#include "lib/base/why.h"
#include "lib/ipc/structs.h"

#define MAIL_SMALL_BYTES (16u * 1024u) /* records up to this length are read whole */
#define MAIL_SLICE	 65536	       /* of a file, read at a time */
#define MAIL_MAX_HEAD	 (128u * 1024u)

/* Is it ready to be sent? */
enum mail_seal {
	MAIL_SEALED,
	MAIL_WAITS, /* for a signature */
	MAIL_FAILED /* none could be had */
};
struct dkim_job;

struct mail_rcpt {
	struct str address;
	struct str orcpt;
	uint8_t notify; /* enum env_notify bits */
};
struct mail {
	struct buf record;  /* what was read of the spool */
	struct buf scratch; /* decoded values */
	struct buf head;    /* fields that we put in front of the content, whole lines */
	struct str sender, envid;
	struct str pool;      /* that was asked for, or empty */
	struct str track_job; /* its job, or empty */
	struct str remove;    /* fields to leave out: names with commas, or empty */
	char own_envid[32];   /* where it was made here, see lib/track */
	char *own_sender;     /* owned: the sender, where it was rewritten */
	struct str dkim_options;
	struct mail_rcpt *rcpts; /* in the order asked for */
	uint32_t n_rcpts;
	uint64_t generation; /* of the configuration that its header was made for */
	uint64_t stored_len; /* content as stored: CRLF, dot-stuffed, no final dot */
	uint64_t n_dots;     /* that the stuffing added */
	struct str content;  /* the stored form, when it is in memory */
	struct buf lead; /* otherwise: what stands in front of the file's range, see mail_edit.h */
	uint64_t offset; /* and where that range is in fd */
	int fd;		 /* owned, or -1 */
	uint8_t body;	 /* enum env_body */
	uint8_t ret;	 /* enum env_ret */
	uint8_t seal;	 /* enum mail_seal */
	bool has_dkim_options;
	bool smtputf8;
	bool verp;	      /* a sender for each recipient */
	bool tracks;	      /* X-FBLId is added, for its recipient */
	bool date_late;	      /* Date is to be added: no two transactions send the same header */
	bool ends_in_crlf;    /* the stored form is empty or ends with CRLF */
	struct dkim_job *job; /* owned, while it waits */
	void (*drop_job)(struct dkim_job **j);
	char why_not[128]; /* MAIL_FAILED */
};

struct spool_reader;
/*
 * Reads the message at `place` and its recipients number idx[0..n). Returns owned, or NULL with `why` (a record
 * that breaks its contract, an index that it does not have, trouble reading).
 */
struct mail *mail_load(struct spool_reader *r, const struct spool_place *place, const uint32_t *idx,
    uint32_t n, struct why *why);
void mail_free(struct mail **m);

/* A piece of the content from `at` on, from the file into `into`; trouble reading gives an empty one. */
struct str mail_piece(const struct mail *m, uint64_t at, char into[MAIL_SLICE]);
/* What is sent is this long (RFC 1870: without the added dots, with our fields). */
uint64_t mail_size(const struct mail *m);
/* Is there a byte above 127: in the header or an address (needs SMTPUTF8), anywhere in the content (8BITMIME)? */
bool mail_needs_utf8(const struct mail *m);
bool mail_is_8bit(const struct mail *m);

#endif
