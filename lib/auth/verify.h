/*
 * Passwords against Argon2id hashes. One takes tens of milliseconds and tens of megabytes, so they are tried one after
 * the other in a thread of their own, and what was right is remembered for a while under a keyed digest. The loop
 * never waits; a password is wiped as soon as it was tried.
 */
#ifndef PH_AUTH_VERIFY_H
#define PH_AUTH_VERIFY_H

#include "lib/base/str.h"

/* In the loop's thread: the verdict. Not called for what was cancelled. */
typedef void verify_done(void *ctx, bool is_right);

#define VERIFY_MAX_PASSWORD 1024u /* bytes */

/* Once: where there are hashes. The thread begins with its first work. */
void verify_open(void);
void verify_close(void);

/* Was this found right within the last minutes? Cheap. */
bool verify_is_known(struct str hash, struct str password);
/* hash empty: there is no such user; the verdict takes as long and is no. False: too many wait already. */
bool verify_start(struct str hash, struct str password, verify_done *done, void *ctx);
/* Nobody is told. */
void verify_cancel(void *ctx);

#endif
