/*
 * The pickup directory: files that programs put there are mail to be sent. A file is claimed by a rename to a hidden
 * name with the id that its message will have, told to a session (feed.h), and unlinked when the message is durable;
 * what a crash leaves in between is settled at the next start by asking the spool for that id. So no file is lost, and
 * none is sent twice. Only the first process does it. It must follow no link, and open nothing but plain files.
 */
#ifndef PH_INJECTD_PICKUP_H
#define PH_INJECTD_PICKUP_H

#include "lib/base/str.h"

void pickup_init(void);
/* From master, before the configuration that names them comes into use; takes the descriptors. */
void pickup_take_dir(int fd);
void pickup_take_bad_dir(int fd);
/*
 * The directories that were given last, or none, once no file is under way. The first time: the journal is open, and
 * nothing was appended yet; what the process before has left is settled.
 */
void pickup_use_conf(void);
void pickup_forget_conf(void);
/* Looks for no more files. */
void pickup_stop(void);
/* A file is on its way into the spool. */
bool pickup_is_busy(void);
/* After the journal was closed: what it told is done with. */
void pickup_close(void);

#endif
