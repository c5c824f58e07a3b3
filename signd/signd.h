/*
 * signd's one state and its parts: the key sets that master gave, and the deliverds that ask. It signs what a deliverd
 * asks for with a key that it holds, and does nothing else: no file, no network, no look at any mail. A key never
 * leaves it, and no part of one is ever written to the log.
 */
#ifndef PH_SIGND_SIGND_H
#define PH_SIGND_SIGND_H

#include "lib/daemon/daemon.h"
#include "lib/dkim/keyfile.h"
#include "lib/ev/ev.h"

/* ---- keyset.c: the keys of one configuration ---- */

struct keyset;
/* Takes what KEYS brought (the descriptor stays the caller's). NULL with `why`. */
struct keyset *keyset_read(const struct ipc_keys *head, int fd, struct why *why);
/* Wipes the texts. */
void keyset_free(struct keyset **s);
uint64_t keyset_generation(const struct keyset *s);
uint64_t keyset_hash(const struct keyset *s);
uint32_t keyset_n(const struct keyset *s);
enum dkim_algorithm keyset_algorithm(const struct keyset *s, uint32_t key);
/* The signature's length, or 0 with `why`. A key is parsed when it is first needed. */
size_t keyset_sign(struct keyset *s, uint32_t key, const uint8_t digest[DKIM_HASH_LEN],
    uint8_t *out, struct why *why);

/* ---- asked.c: those who ask ---- */

#define MAX_PEERS 64
/* A signature of 2,048 bits takes 0.5 ms: so many in one turn of the loop. */
#define SIGN_PER_TURN 4
/* Answers to one deliverd that go out together, or as soon as nothing else is asked: 8 ms at most. */
#define ANSWERS_AT_ONCE 16
/* A deliverd that has more than this outstanding breaks its promise. */
#define MAX_OUTSTANDING 65536u

void asked_prepare(void);
void asked_peer(enum ipc_role role, uint32_t instance, int fd);
/* Tells all of a set that is new. */
void asked_tell(const struct keyset *s);
void asked_finish(void);

/* ---- signd.c ---- */

#define MAX_SETS 3 /* the configuration before, the one in force, the one on trial */
struct signd {
	struct keyset *sets[MAX_SETS]; /* the newest first; NULL behind the last */
	uint64_t in_use;	       /* generation */
};
extern struct signd signd;

extern const struct daemon_ops signd_daemon;
/* NULL: none of that generation. */
struct keyset *signd_set(uint64_t generation);
void signd_finish(void);

#endif
