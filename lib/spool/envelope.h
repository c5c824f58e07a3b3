/*
 * A spool record's text: header line, envelope, empty line, message; the one form for journal and queue file.
 *
 *   posthaste-1 gen=GGGGGGGG from=FFFFFFFF len=LLLLLLLLLLLL env=EEEEEEEE sum=SSSSSSSSSSSSSSSS\n  (hex)
 *   id: 0123456789abcdef\n
 *   name: value\n …            percent-encoded values; `rcpt:` once a recipient, in the order of their index
 *   \n
 *   the message in wire form: CRLF, dot-stuffed, without the final dot
 *
 * `len` is the whole record's length, `env` the bytes up to and with the empty line (where the message begins),
 * `sum` XXH3-64 over everything behind the header line, seeded with generation. A queue file has gen=0.
 */
#ifndef PH_SPOOL_ENVELOPE_H
#define PH_SPOOL_ENVELOPE_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/why.h"
#include "lib/net/addr.h"

#define SPOOL_HEADER_LEN 90 /* asserted where it is written */
#define SPOOL_MAX_ENV	 (64u * 1024 * 1024)
#define SPOOL_MAX_RCPTS	 100000u

enum env_body { ENV_7BIT, ENV_8BITMIME };
enum env_ret { ENV_RET_NONE, ENV_RET_FULL, ENV_RET_HDRS };
enum env_notify {
	NOTIFY_DEFAULT = 0,
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};

/* Views borrow from the text that was parsed; values are decoded into the parse's own scratch. */
struct envelope {
	uint64_t id;
	struct wall accepted;
	struct wall not_before; /* start of the first of `windows`, 0: none */
	struct wall expires;	/* end of the last of `windows`, 0: by bounce-after */
	struct str sender;	/* without <>; empty: the null sender */
	struct str vmta;	/* chosen VirtualMTA, empty: default */
	struct str pool;	/* the pool that was asked for, or empty */
	struct str job, envid;
	struct str windows;  /* x-schedule as lib/mail/schedule.h writes it, or empty */
	struct str remove;   /* header fields to be left out at delivery: names with commas */
	struct str lists;    /* suppression-lists of its source: names with commas, or empty */
	struct str dkim;     /* its X-DKIM-Options, where they may be given; empty: none were */
	struct str src_type; /* smtp, api, pickup */
	struct str src_mta;  /* "helo (ip)" */
	struct str user;     /* authenticated submitter */
	struct net_addr src, dst; /* client's and our own address */
	uint64_t body_len;	  /* stored bytes of the message (stuffed) */
	uint64_t n_dots;	  /* dots added by stuffing: transparent size = body_len - n_dots */
	uint32_t n_rcpts;
	uint8_t body; /* enum env_body */
	uint8_t ret;  /* enum env_ret */
	bool smtputf8;
	bool is_report;	   /* made by us: never reported on */
	bool no_dsn;	   /* suppress-local-dsn of its source */
	bool verp;	   /* each recipient has a sender of its own: one recipient a transaction */
	bool is_processed; /* a copy of what a processor has read: it is delivered */
	bool date_late;	   /* Date is added at delivery */
	uint8_t priority;  /* 0-100, 50 */
};
struct env_rcpt {
	struct str address;
	struct str orcpt; /* "rfc822;user@example" decoded, or empty */
	uint8_t notify;	  /* enum env_notify bits */
	bool is_invalid;  /* no address: accepted to be bounced, never to be sent */
};

/* ---- writing ---- */

/* Appends the envelope's lines (not header line, not empty line). -1: over the buffer's cap. */
int envelope_write(struct buf *b, const struct envelope *e) PH_MUST_CHECK;
int envelope_write_rcpt(struct buf *b, const struct env_rcpt *r) PH_MUST_CHECK;
struct record_header {
	uint64_t len;
	uint64_t sum;
	uint32_t generation;
	uint32_t from; /* journal: where the group begins with which it was written and flushed */
	uint32_t env_len;
};
/* Fills header[SPOOL_HEADER_LEN]; the sum is made from `core` (record_core) and h's other fields. */
void envelope_header(char *header, uint64_t core, const struct record_header *h);

/* ---- reading ---- */

/* The header line at the start of s. False when it is not one (wrong width, letters, limits). */
bool record_header_parse(struct str s, struct record_header *h);

/* Walks the recipients of a parsed envelope, in order; cheap to copy. */
struct env_iter {
	struct str rest;
	uint32_t next_index;
	char address[2 * 1024]; /* decoded scratch */
	char orcpt[2 * 1024];
};
/*
 * Parses the lines of `env` (from behind the header line to the end of the empty line). `scratch` holds decoded
 * values and must outlive *e. False with `why` for anything out of form: unknown names are an error (the format
 * has a version), so are missing id, sender or recipients, and counts that disagree.
 */
bool envelope_parse(struct str env, struct envelope *e, struct buf *scratch, struct why *why);
void env_iter_init(struct env_iter *it, struct str env);
/* The same over lines of recipients alone, as envelope_write_rcpt() makes them. */
void env_iter_init_lines(struct env_iter *it, struct str lines);
/* The next recipient; views live until the next call. False at the end. */
bool env_iter_next(struct env_iter *it, uint32_t *index, struct env_rcpt *r);

#endif
