/*
 * fbld: reads complaints (RFC 5965 and its kin) that came by mail, and tells queued what is in them. It has nothing but
 * the spool, read only, and its channel; a complaint that kills it kills nothing else.
 */
#ifndef PH_FBLD_FBLD_H
#define PH_FBLD_FBLD_H

#include "lib/ev/ev.h"
#include "lib/processor/processor.h"

struct fbld {
	struct ipc_chan *queue; /* NULL while queued is away */
	struct processor *processor;
	struct track track; /* when has_track */
	int spool_fd, queue_fd;
	bool has_track;
};

void fbld_init(struct fbld *f);
void fbld_clear(struct fbld *f);
/* Takes the channel's descriptor. */
void fbld_queue_up(struct fbld *f, int fd);

#endif
