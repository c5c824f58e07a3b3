/*
 * `resolve --connect`: opens connections to the hosts that the server named, with the caller's own rights and from
 * this machine's own address, and shows what they say. It sends EHLO, STARTTLS where asked, and QUIT: never mail.
 */
#ifndef PH_PMTACTL_CONNECT_H
#define PH_PMTACTL_CONNECT_H

#include "pmtactl/options.h"
#include "lib/ctl/tree.h"

/* `answer`: of resolve. The exit status: 1 when no host could be reached. Does nothing without --connect and its kin. */
int connect_hosts(const struct options *o, const struct tree *answer);

#endif
