/*
 * Where things are: derived from the configuration, the same for master, the daemons and pmtactl. Never touches a
 * file.
 */
#ifndef PH_DAEMON_PATHS_H
#define PH_DAEMON_PATHS_H

#include "lib/conf/conf.h"

#define PATHS_DEFAULT_SPOOL "/var/spool/pmta"

/* The first <spool DIR> (or `spool DIR`), else the default. Borrows from the configuration. */
struct str paths_spool(const struct conf *c);
/* Returns owned: the spool directory, '/', name. */
char *paths_in_spool(const struct conf *c, const char *name);

#endif
