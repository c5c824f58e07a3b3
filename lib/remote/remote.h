/*
 * Reports that others send us: what became of our mail over there. Reads delivery status notifications (RFC 3464) by
 * their fields, and the many reports that are only text by what they have in common. It says what a report claims;
 * whether it concerns our own mail, and what follows from it, is decided elsewhere. Everything is bounded, nothing
 * recurses, and a message of any size is read in one pass.
 */
#ifndef PH_REMOTE_REMOTE_H
#define PH_REMOTE_REMOTE_H

#include "lib/base/buf.h"

#define REMOTE_MAX_RCPTS 1000
#define REMOTE_ADDRESS	 320
#define REMOTE_DIAG	 1024
#define REMOTE_HUMAN	 (64u * 1024) /* of the text for people that is looked at */

enum remote_kind {
	REMOTE_NONE,	  /* ordinary mail */
	REMOTE_BOUNCE,	  /* failed for good */
	REMOTE_DELAYED,	  /* not yet delivered */
	REMOTE_DELIVERED, /* delivered, relayed, expanded */
	REMOTE_AUTOREPLY, /* RFC 3834 */
	REMOTE_MDN,	  /* RFC 8098 */
	REMOTE_COMPLAINT, /* RFC 5965, or Microsoft's JMRP */
	REMOTE_KINDS
};
/* the fields of RFC 3464: of the message, then of a recipient */
enum remote_field {
	FIELD_REPORTING_MTA,
	FIELD_ENVID,
	FIELD_ARRIVAL,
	FIELD_ORIGINAL,
	FIELD_FINAL,
	FIELD_ACTION,
	FIELD_STATUS,
	FIELD_MTA,
	FIELD_DIAG,
	FIELD_LAST_ATTEMPT,
	FIELD_RETRY_UNTIL,
	REMOTE_FIELDS
};
enum remote_format { REMOTE_DSN, REMOTE_QMAIL, REMOTE_EXIM, REMOTE_TEXT, REMOTE_ARF, REMOTE_JMRP };

struct remote_rcpt {
	char final[REMOTE_ADDRESS];    /* the failed recipient, without its type */
	char original[REMOTE_ADDRESS]; /* as we named it, where the report says so */
	char action[16];	       /* in small letters, empty: none was said */
	char diag[REMOTE_DIAG];	       /* one line, without its type */
	char mta[256];		       /* host that said it, without its type */
	uint16_t code;		       /* SMTP reply code in the diagnostic, or 0 */
	uint8_t enh[3];		       /* enh[0] 0: none */
	struct {
		uint32_t at, len;
	} raw[REMOTE_FIELDS]; /* see remote_raw() */
};
struct remote_report {
	enum remote_kind kind;
	enum remote_format format;
	char reporting_mta[256];
	char envid[256];
	struct str
	    returned; /* of the message: where what it was about begins (its header section), or empty */
	struct buf human;   /* the text for people, decoded */
	struct buf decoded; /* what `returned` lies in, if it had to be decoded */
	struct buf fields;  /* the fields' values as they came, unfolded */
	struct remote_rcpt *rcpts;
	size_t n_rcpts;
};

/* Reads a whole message, not dot-stuffed, lines ending with CRLF or LF; it must outlive r. */
void remote_read(struct remote_report *r, struct str message);
void remote_clear(struct remote_report *r);

/* Code and enhanced status out of the diagnostic, where they are not known otherwise. */
void remote_take_codes(struct remote_rcpt *rc);
/* The field's value as it came, on one line, with its type; empty: it was not there. Borrowed from r. */
struct str remote_raw(
    const struct remote_report *r, const struct remote_rcpt *rc, enum remote_field which);

/*
 * A complaint's field by its name ("feedback-type") into dst[size], on one line, cut; one that comes several times with
 * commas between (RFC 5965 3.2). Returns the length, 0: it is not there.
 */
size_t remote_arf(const struct remote_report *r, struct str name, char *dst, size_t size);
/* The one who complained: Original-Rcpt-To, Removal-Recipient, X-HmXmrOriginalRecipient, or To of what is returned. */
size_t remote_complainant(const struct remote_report *r, char dst[REMOTE_ADDRESS]);

const char *remote_kind_name(enum remote_kind kind);
const char *remote_format_name(enum remote_format format);

#endif
