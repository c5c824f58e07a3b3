/*
 * What goes out with our mail, so that a report about it can be told from one that somebody made up: the field X-FBLId
 * (whose mail it was and for whom, sealed: nobody else can read or make it), an envelope id, and a tag in a sender that
 * names its recipient. All come from one key, which this server made for itself; nothing is kept of what was sent.
 * It never says what a report means.
 */
#ifndef PH_TRACK_TRACK_H
#define PH_TRACK_TRACK_H

#include "lib/base/buf.h"

#define TRACK_KEY   32 /* bytes */
#define TRACK_FIELD "X-FBLId"
#define TRACK_TEXT  2048 /* room for what a field holds, and for the field */
#define TRACK_ENVID 32	 /* room for an envelope id and its NUL */
#define TRACK_TAG   10	 /* letters of a tag */

struct track {
	uint8_t seal[32], nonce[32], envid[32], verp[32];
};
/* sodium_init() was called. The key's bytes are not kept. */
void track_init(struct track *t, const uint8_t key[TRACK_KEY]);

/* The same from a descriptor, which it takes. False: there is no key in it. */
bool track_init_fd(struct track *t, int fd);

/* of one transaction's message; views */
struct track_of {
	uint64_t id;	   /* the message's */
	struct str rcpt;   /* empty: it went to several at once */
	struct str sender; /* as it was accepted */
	struct str job, vmta, envid;
};
/* Appends the whole field, folded, with its CRLF. The same input gives the same field. -1: over the buffer's cap. */
int track_seal(const struct track *t, const struct track_of *of, struct buf *b) PH_MUST_CHECK;
/* The field's value as it came (folded or not); false: it is not ours. Views borrow from text. */
bool track_open(
    const struct track *t, struct str value, struct track_of *of, char text[TRACK_TEXT]);

/* RFC 3461 ENVID for a message of one recipient, where its sender gave none. */
void track_make_envid(const struct track *t, uint64_t id, struct str rcpt, char envid[TRACK_ENVID]);
/* Is it ours, for that recipient? */
bool track_is_envid(const struct track *t, struct str envid, struct str rcpt);

/* The tag for the sender local@domain, which has the recipient in it: local=TAG@domain is what is sent. */
void track_make_tag(
    const struct track *t, struct str local, struct str domain, char tag[TRACK_TAG + 1]);
/*
 * What a report was sent to, user-rcptuser=rcptdomain[=TAG]@domain: the sender that this was made from, and the
 * recipient, into out. `base_of` says whether that is a sender's address, for "-" may also be a part of the user. False:
 * it has no such form. *is_ours: the tag is right.
 */
struct track_verp {
	char sender[512], rcpt[512];
	bool is_ours;
};
bool track_read_verp(const struct track *t, struct str address,
    bool (*base_of)(void *ctx, struct str sender), void *ctx, struct track_verp *out);

#endif
