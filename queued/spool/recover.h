/*
 * The scan of the spool at the start, and of what one writer left when its process died: it may have acknowledged
 * mail of which no message reached us. Delivery goes on meanwhile, and so does acceptance: mail that comes by
 * message during a scan and is also seen by it is told apart by its id.
 */
#ifndef PH_QUEUED_SPOOL_RECOVER_H
#define PH_QUEUED_SPOOL_RECOVER_H

#include "lib/base/base.h"
#include "lib/ipc/structs.h"

/* From now on what is told is remembered; the first scan itself begins with recover_go(). */
void recover_start(void);
void recover_go(void);
/* That writer's process is gone: scan behind the last place that it told. */
void recover_writer(uint16_t writer);
/* A living writer says how far it has told a segment: the scan gives nothing behind that, which comes by message or was
 * refused to the client. */
void recover_stop_at(const struct ipc_segment *s);
bool recover_is_running(void);
/* For a message that comes from an injector: did the scan bring it already? */
bool recover_knows(uint64_t id);
/* It came: a scan that runs need not bring it. */
void recover_came(uint64_t id);

#endif
