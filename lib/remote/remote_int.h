/* What the files of this folder share. */
#ifndef PH_REMOTE_REMOTE_INT_H
#define PH_REMOTE_REMOTE_INT_H

#include "lib/mime/mime.h"
#include "lib/remote/remote.h"

/* what the whole message's header says */
struct remote_head {
	struct mime_type type;
	char from[REMOTE_ADDRESS], to[REMOTE_ADDRESS];
	char subject[512];
	char failed_rcpts[1024]; /* X-Failed-Recipients */
	bool is_auto_reply,
	    is_from_nobody; /* Auto-Submitted: auto-replied and its kin; Return-Path: <> */
};

struct remote_rcpt *remote_add_rcpt(struct remote_report *r);

void remote_read_head(struct remote_head *h, struct str message);
/* message/delivery-status: the fields, into recipients. */
void remote_read_status(struct remote_report *r, struct str body);
/* Reports without fields: recipients out of the text for people. */
void remote_read_text(struct remote_report *r, const struct remote_head *h);
/* Where a message's header begins in text, or text.len. */
size_t remote_find_header(struct str text);
enum remote_kind remote_judge(
    const struct remote_report *r, const struct remote_head *h, bool has_status);

/* What comes back names the complainant as Microsoft does. */
bool remote_is_jmrp(const struct remote_report *r);

/* The next address in s from *at on ("a@b", no brackets); false: no more. */
bool remote_next_address(struct str s, size_t *at, struct str *address);
bool remote_has_word(struct str s, const char *const *words);

#endif
