/*
 * The addresses that get no more mail, on disk: for each address and scope since when, why, by which event, and until
 * when. One process owns the store; others ask the filter (filter.h) first. What is added is durable when
 * suppress_commit() says so. It holds what it is told: who may tell it is decided elsewhere.
 */
#ifndef PH_SUPPRESS_SUPPRESS_H
#define PH_SUPPRESS_SUPPRESS_H

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/why.h"
#include "lib/suppress/filter.h"

enum suppress_source {
	SUPPRESS_MANUAL,
	SUPPRESS_REPLY,	    /* a remote server's reply */
	SUPPRESS_REPORT,    /* a delivery report */
	SUPPRESS_COMPLAINT, /* a feedback report */
	SUPPRESS_IMPORT,
	SUPPRESS_SOURCES
};
/* Views; of an entry that was found into the caller's buffer. */
struct suppression {
	struct str address; /* as it was told, at most 320 bytes */
	struct str scope;   /* "": everywhere; else the name of a VirtualMTA or pool */
	struct wall since;
	struct wall until; /* ns 0: for ever */
	enum suppress_source source;
	struct str category; /* "bad-mailbox" */
	struct str vmta, job;
	struct str text; /* the reply or what else a person should read */
};

struct suppress;

/* Opens the store in its directory and fills a filter from it. NULL with `why`, of code 452 when the disk is full. */
struct suppress *suppress_open(const char *dir, unsigned cache_mb, struct why *why);
void suppress_close(struct suppress **s);
/* To be handed to readers; another one after suppress_grow() said so. */
const struct filter *suppress_filter(const struct suppress *s);
/* Its hashes' key, the same for the store's whole life. */
const struct filter_key *suppress_key(const struct suppress *s);

/* May it be an entry's address and scope? */
bool suppress_is_good(const struct suppression *e);
/* Not durable before suppress_commit(). An older entry of the address and scope is replaced. */
int suppress_add(struct suppress *s, const struct suppression *e, struct why *why) PH_MUST_CHECK;
/* 1: it was there; 0; -1. The filter keeps saying "maybe" for it until the next start. */
int suppress_remove(
    struct suppress *s, struct str address, struct str scope, struct why *why) PH_MUST_CHECK;
/* -1: nothing since the last commit was made. */
int suppress_commit(struct suppress *s, struct why *why) PH_MUST_CHECK;
/*
 * The filter became too small for all that was added: a larger one is filled, a step of some milliseconds a call, with
 * nothing uncommitted. 1: it is in its place now; 0: there is more to do, if suppress_is_growing(); -1.
 */
int suppress_grow(struct suppress *s, struct why *why) PH_MUST_CHECK;
bool suppress_is_growing(const struct suppress *s);
/* Takes out what has expired, a step a call, from where the last one ended: 1: there is more; 0: the end was reached; -1. */
int suppress_sweep(struct suppress *s, struct wall now, struct why *why) PH_MUST_CHECK;
/*
 * Is the address suppressed everywhere or in one of the scopes, at that time? 1: the entry is in *e, its views in b (which
 * is emptied); 0; -1. Entries that have expired do not count.
 */
int suppress_find(struct suppress *s, struct str address, const struct str *scopes, size_t n_scopes,
    struct wall now, struct suppression *e, struct buf *b, struct why *why) PH_MUST_CHECK;
/* All that is committed, in order of the addresses, from that address on; false of `visit`: enough. */
int suppress_each(struct suppress *s, struct str from,
    bool (*visit)(void *arg, const struct suppression *e), void *arg,
    struct why *why) PH_MUST_CHECK;

/* The same of all behind this entry, whether it is there or not. */
int suppress_after(struct suppress *s, struct str address, struct str scope,
    bool (*visit)(void *arg, const struct suppression *e), void *arg,
    struct why *why) PH_MUST_CHECK;

const char *suppress_source_name(enum suppress_source source);
bool suppress_source_parse(struct str name, enum suppress_source *source);

#endif
