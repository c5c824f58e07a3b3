/*
 * A mail transaction: sender, recipients (kept as the envelope's lines already), the content on its way into the
 * spool's form, and its fate. Its memory is bounded by the limits below; it never replies itself.
 */
#ifndef PH_INJECTD_TXN_H
#define PH_INJECTD_TXN_H

#include "injectd/data.h"
#include "injectd/world.h"
#include "lib/smtp/address.h"
#include "lib/spool/envelope.h"

struct session;
struct dkim_check;
struct merge;

#define TXN_MAX_RCPT_BYTES (8u * 1024 * 1024)  /* of recipients' lines: 452 4.5.3 beyond */
#define TXN_MAX_HEADER	   (256u * 1024)       /* header section: 552 5.3.4 beyond */
#define TXN_MAX_BYTES	   (UINT64_C(1) << 40) /* where no limit is set */
#define TXN_MAX_ENVID	   100u		       /* RFC 3461 4.4 */
#define TXN_MAX_ORCPT	   500u		       /* RFC 3461 4.2 */
#define TXN_MAX_JOB	   200u		       /* the rest is cut off */
#define TXN_MAX_DKIM	   1000u	       /* a longer one counts as out of form */

struct txn {
	struct session
	    *session; /* NULL: it went away while the message was on its way to the disk */
	struct world *world;
	struct envelope env; /* views into what is below and the session */
	char sender[ADDRESS_MAX_PATH + 256];
	char only_rcpt[ADDRESS_MAX_PATH + 256]; /* the first */
	char envid[TXN_MAX_ENVID + 1];
	char job[TXN_MAX_JOB + 1];
	char dkim[TXN_MAX_DKIM + 1];   /* X-DKIM-Options */
	char *vmta, *pool;	       /* owned */
	char *windows;		       /* owned: x-schedule, the envelope's form */
	char *remove;		       /* owned: header fields to leave out at delivery */
	char *lists;		       /* owned: suppression-lists of the source */
	size_t last_rcpt_at;	       /* in rcpts: where the last line begins */
	struct buf rcpts;	       /* the envelope's lines */
	uint32_t n_refused;	       /* recipients */
	bool is_too_many;	       /* and the message fails for it */
	struct dkim_check *dkim_check; /* owned; see inbound_dkim.c */
	struct merge *merge;	       /* owned; it is a mail merge, and no message itself */
	struct merge *merge_of;	       /* this is a message of it: it hears what becomes of it */
	bool is_trial;		       /* nothing is stored: may it be taken? */
	struct why hushed;	       /* smtp_code != 0: an error that XACK OFF kept back */
	bool is_chunked;	       /* a BDAT has been seen */

	/* the content */
	struct data_filter filter;
	struct buf head; /* header section as it comes */
	size_t line_at;	 /* in head: where the current line begins */
	bool in_body;
	struct buf text; /* what will be stored; or else, from SPOOL_LARGE_BYTES on: */
	void *large;
	uint64_t n_stored;
	uint64_t max_bytes;
	struct why fault; /* smtp_code != 0: refused, the rest is swallowed */
};

/* The session must have a sender already; borrows the session. */
struct txn *txn_new(struct session *s, struct str sender);
/* Frees; a large file under way is removed. Sets NULL; accepts NULL. */
void txn_free(struct txn **t);

/* -1 with `why` (452 4.5.3) when there are too many. */
int txn_add_rcpt(struct txn *t, const struct env_rcpt *r, struct why *why) PH_MUST_CHECK;

/* Takes the one that was added last out again; once. */
void txn_drop_rcpt(struct txn *t);

/* Content will come: before the first byte. */
void txn_begin_content(struct txn *t);
/*
 * The content is complete: hands it to the spool and gives up *t (set to NULL): session_settled() comes later. Or -1
 * with `why`: refused, *t is still the caller's.
 */
int txn_submit(struct txn **t, struct why *why) PH_MUST_CHECK;
/* Of a trial: would it be taken? -1 with `why`. */
int txn_try(struct txn *t, struct why *why) PH_MUST_CHECK;
/* Are the content's lines good? -1 with `why` (554). */
int txn_check_filter(struct txn *t, struct why *why) PH_MUST_CHECK;
/* The spool's answer (struct journal_events.done). token: what append was given. Frees it. */
void txn_settled(void *token, const struct spool_place *place, const struct why *why);

/* ---- for content.c, head.c ---- */

/* 554 and so on; the first fault stays. Gives memory back. */
void txn_fail(struct txn *t, int code, int a, int b, int c, const char *text);
/* The content's sink. */
void content_add(void *txn, struct str piece);
/* No more will come: a header section that was not ended is dealt with. */
void content_end(struct txn *t);
/* Puts a field in front of the message; once, of INBOUND_MAX_FIELD bytes at most. */
void txn_prepend(struct txn *t, struct str field);
/* Stores bytes as they are. */
void content_store(struct txn *t, struct str piece);

#endif
