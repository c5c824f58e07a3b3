/*
 * The files that master gives, until the configuration that they belong to is in use: the certificate, authorities, the
 * users' access file. Their contents are wiped as soon as what is made of them is made.
 */
#ifndef PH_WEBD_GIVEN_H
#define PH_WEBD_GIVEN_H

#include "lib/conf/conf.h"

struct ssl_ctx_st;

/* Takes the descriptor of sealed memory. */
void given_take(struct str path, int fd);
/* Its content, borrowed until given_forget(); empty: it was not given. */
struct str given_file(struct str path);
/* What TLS of the monitor is made of; returned owned. NULL: it is served in clear. */
struct ssl_ctx_st *given_context(const struct conf *c);
void given_forget(void);

#endif
