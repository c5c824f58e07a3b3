/*
 * The server's control socket: connects, asks one command, gathers the answer.
 */
#ifndef PH_PMTACTL_CLIENT_H
#define PH_PMTACTL_CLIENT_H

#include "lib/base/why.h"
#include "lib/ctl/commands.h"
#include "lib/ctl/tree.h"

/* What was gathered so far, whose last leaf has just come; it may clear the tree. */
typedef void client_gathered(struct tree *answer, const void *ctx);
/* All is borrowed. */
struct question {
	const char *socket_path;
	enum ctl_command command;
	const struct str *args;	   /* ARG_MAX */
	uint32_t max;		   /* rows wanted in all, 0: the server's default */
	client_gathered *gathered; /* NULL, or called for each leaf */
	const void *ctx;
};
/* -1 with `why` when there is no answer. */
int client_ask(const struct question *q, struct tree *answer, struct why *why) PH_MUST_CHECK;
/*
 * A request whose answer goes on until the server ends it or `event` says that nobody wants more. -1: there is no
 * answer, or it broke off. The tree gets the closing sentence.
 */
typedef bool client_event(
    const struct ipc_ctl_event *head, const struct str texts[8], const void *ctx);
int client_follow(const struct question *q, client_event *event, struct tree *answer,
    struct why *why) PH_MUST_CHECK;
/* Does a server listen there? */
bool client_is_there(const char *socket_path);

#endif
