/*
 * injectd's way to dnsd: what sessions want to know, numbered, and the answers. While dnsd is away nobody waits: what
 * was asked is answered with temperror.
 */
#ifndef PH_INJECTD_CHECKER_H
#define PH_INJECTD_CHECKER_H

#include "injectd/world.h"

void checker_init(struct world *w);
void checker_up(int fd); /* takes fd */
void checker_close(void);

#endif
