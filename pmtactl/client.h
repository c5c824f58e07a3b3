/*
 * The server's control socket: connects, asks one command, gathers the answer.
 */
#ifndef PH_PMTACTL_CLIENT_H
#define PH_PMTACTL_CLIENT_H

#include "lib/base/why.h"
#include "lib/ctl/commands.h"
#include "lib/ctl/tree.h"

/* args: ARG_MAX views. max: rows wanted in all, 0: the server's default. -1 with `why` when there is no answer. */
int client_ask(const char *socket_path, enum ctl_command command, const struct str *args,
    uint32_t max, struct tree *answer, struct why *why) PH_MUST_CHECK;
/*
 * A request whose answer goes on until the server ends it or `event` says that nobody wants more. -1: there is no
 * answer, or it broke off. The tree gets the closing sentence.
 */
typedef bool client_event(const struct ipc_ctl_event *head, const struct str texts[8], void *ctx);
int client_follow(const char *socket_path, enum ctl_command command, const struct str *args,
    client_event *event, void *ctx, struct tree *answer, struct why *why) PH_MUST_CHECK;
/* Does a server listen there? */
bool client_is_there(const char *socket_path);

#endif
