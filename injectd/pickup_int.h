/*
 * A file of the pickup directory that is being told to a session, and what becomes of it.
 */
#ifndef PH_INJECTD_PICKUP_INT_H
#define PH_INJECTD_PICKUP_INT_H

#include <limits.h>

#include "injectd/feed.h"

#define PICKUP_MAX_LINE	   2048u	    /* of the lines that are not content */
#define PICKUP_MAX_COMMAND SESSION_MAX_LINE /* BSMTP */

enum pickup_outcome {
	PICKUP_SENT, /* its message is durable */
	PICKUP_BAD,  /* never */
	PICKUP_LATER /* not now */
};
enum pickup_stage {
	PICKUP_START,
	PICKUP_ENVELOPE, /* MAIL and RCPT were made, and are told */
	PICKUP_COMMANDS, /* BSMTP: lines as they stand */
	PICKUP_CONTENT,
	PICKUP_END /* all is told */
};
struct pickup_job {
	struct feed feed;
	struct feed_lines lines;
	struct buf in;	/* read and not yet told */
	struct buf say; /* to be told */
	struct buf given;
	uint64_t id;
	uint64_t at; /* in the file */
	int fd;	     /* -1: the place is free */
	enum pickup_stage stage;
	bool is_eof, is_bsmtp;
	bool wants_part; /* BSMTP: another part of a mail merge follows this content */
	bool has_more;	 /* PICKUP_SENT: something follows the message */
	struct why why;
	char name[NAME_MAX + 1]; /* that it has now */
	/* Called once, at the end; frees the job. */
	void (*done)(struct pickup_job *j, enum pickup_outcome outcome);
};

/* j->fd, id, name, done are set, the rest is zero. */
void pickup_job_start(struct pickup_job *j, struct world *w);
void pickup_job_clear(struct pickup_job *j);

#endif
