/*
 * The filter of system calls, apart from the other steps of sandbox.c. Nothing outside of lib/daemon includes this.
 */
#ifndef PH_DAEMON_SANDBOX_INT_H
#define PH_DAEMON_SANDBOX_INT_H

#include "lib/daemon/sandbox.h"

/* Loads the filter for these groups into all threads; fatal when it cannot. */
void sandbox_filter_calls(unsigned calls);
/* The filter of BOX_COMMANDS. */
void sandbox_refuse_calls(void);
/*
 * From now on no file can be opened, made, moved or removed but beneath the directories that were allowed, with what
 * `calls` needs there; said in the log when this kernel cannot do it.
 */
void sandbox_lock_files(unsigned calls, bool has_threads);

#endif
