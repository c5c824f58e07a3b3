/*
 * queued's way to execd: the one runner, and the list of commands by which their numbers are found. Alerts and MTA-STS
 * have commands run by it.
 */
#ifndef PH_QUEUED_EXEC_H
#define PH_QUEUED_EXEC_H

#include "lib/command/runner.h"

struct runner *exec_runner(void);
/* Of the configuration in force; valid until the next one. */
const struct commands *exec_commands(void);
/* master's channel to execd; takes fd. */
void exec_peer(int fd);
/* After the start and each reload. */
void exec_configure(void);

#endif
