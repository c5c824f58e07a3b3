/*
 * Mail over HTTP: POST /api/v1/transmissions with a JSON object, as PowerMTA's transmissions API has it. A connection
 * reads one request at a time, whole and bounded, tells it to a session (feed.h), and answers when the disk has it.
 * Without a right key nothing of a request is read but its head.
 */
#ifndef PH_INJECTD_API_H
#define PH_INJECTD_API_H

#include "lib/base/str.h"

void api_init(void);
void api_add(struct str address, int fd); /* takes fd */
void api_remove(struct str address);
void api_start(void);
void api_use_conf(void);
void api_forget_conf(void);
/* Idle connections end; requests that are under way come to their end. */
void api_stop(void);
bool api_is_busy(void);
void api_close(void);

#endif
