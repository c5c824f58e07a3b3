/*
 * What a replay puts in place of the disk and of the daemon's life: the spool is a table in memory, its flushes
 * complete at once, and there is no master.
 */
#ifndef PH_REPLAY_FAKES_H
#define PH_REPLAY_FAKES_H

#include "lib/conf/conf.h"
#include "lib/ipc/structs.h"
#include "lib/base/str.h"

void fake_conf_set(const struct conf *c);
/* A record: envelope lines up to and with the empty line. Gives its place. */
struct spool_place fake_spool_add(uint64_t id, struct str env);
/* Recipients in the done log. */
uint32_t fake_spool_n_done(void);

#endif
