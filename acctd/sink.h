/*
 * Where the records of one <acct-file> go: a file, or a spill with what is fed from it, a command or a web hook. The
 * calls that touch the disk for writing are made in the writer's thread; the others in the loop.
 */
#ifndef PH_ACCTD_SINK_H
#define PH_ACCTD_SINK_H

#include "acctd/file.h"
#include "lib/command/runner.h"

struct sink;
struct spill;

/* Takes def. A file has no directories yet; spool_fd and r are borrowed. */
struct sink *sink_new(struct acct_def *def, int spool_fd, struct runner *r);
void sink_free(struct sink **s);
const struct acct_def *sink_def(const struct sink *s);
/* Can it go on as what `def` says? Then it does, and takes it (def is then NULL). While the writer is idle. */
bool sink_use(struct sink *s, struct acct_def **def);

/* As the functions of file.h; what is fed has no directories and nothing due; `rotate` posts what there is. */
void sink_set_dirs(struct sink *s, int dir_fd, int move_fd);
int sink_commit(
    struct sink *s, struct buf *data, struct wall now, bool rotate, struct why *why) PH_MUST_CHECK;
bool sink_is_due(struct sink *s, struct wall now);
int64_t sink_interval_left_ms(const struct sink *s, struct wall now);
bool sink_note(struct sink *s, struct why *note);

/* What of it lies on disk before it is fed; NULL: it is a file. */
struct spill *sink_spill(const struct sink *s);
/* The writer came back: what is durable may be fed. */
void sink_written(struct sink *s);
/* execd came or went. */
void sink_kick(struct sink *s);
void sink_stop(struct sink *s);
/* Nothing runs for it. */
bool sink_is_idle(const struct sink *s);
/* Bytes that wait to be fed. */
uint64_t sink_waiting(const struct sink *s);

#endif
