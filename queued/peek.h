/*
 * What of a recipient lies on disk only: its address, and the envelope's sender and id. The last envelope that was
 * read is kept, for recipients of one message follow each other.
 */
#ifndef PH_QUEUED_PEEK_H
#define PH_QUEUED_PEEK_H

#include "lib/base/str.h"
#include "queued/message.h"

/* Reads the spool, which may block. Views until the next call; false: the record cannot be read. */
bool peek_rcpt(const struct rcpt *r, struct str *address, struct str *sender, struct str *envid);

#endif
