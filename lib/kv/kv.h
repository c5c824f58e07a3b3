/*
 * A table of keys and values on disk, in order of the keys' bytes, that survives a kill at any moment. One process owns
 * it. Changes are made in batches: all of a batch or nothing of it, and what kv_commit() acknowledged is on disk. Behind it
 * is Berkeley DB with transactions; nothing of that is seen here, so that another store is one file more.
 */
#ifndef PH_KV_KV_H
#define PH_KV_KV_H

#include "lib/base/buf.h"
#include "lib/base/why.h"

#define KV_MAX_KEY   1024
#define KV_MAX_VALUE (64u * 1024)

struct kv;

/*
 * Opens or makes the table `name` in the directory `dir`, which is its own (log files lie beside it), with `cache_mb` of
 * memory; what an earlier process left half done is taken back. NULL with `why`, also when another process has it, or
 * when one of its files is a link, a FIFO or anything else that could lead elsewhere.
 */
struct kv *kv_open(const char *dir, const char *name, unsigned cache_mb, struct why *why);
/* There is hardly any room, or hardly any files: why kv_open() failed, though Berkeley DB says only that it is lost. */
bool kv_disk_is_full(const char *dir);
/* Closes; an open batch is dropped. */
void kv_close(struct kv **k);

/* 1: found, its value in *value (which is emptied before); 0: there is none; -1: trouble (`why`). Sees the open batch. */
int kv_get(struct kv *k, struct str key, struct buf *value, struct why *why) PH_MUST_CHECK;
/* In the open batch; one is begun by itself. 0, or -1: trouble, the batch is dropped. */
int kv_put(struct kv *k, struct str key, struct str value, struct why *why) PH_MUST_CHECK;
/* 1: it was there; 0: it was not; -1 as kv_put(). */
int kv_del(struct kv *k, struct str key, struct why *why) PH_MUST_CHECK;
/*
 * Makes the batch durable (a few thousand changes at most: each holds locks): one flush, however many changes. -1: nothing
 * of it was made. Without a batch it does nothing.
 */
int kv_commit(struct kv *k, struct why *why) PH_MUST_CHECK;
void kv_abort(struct kv *k);

/* False: no more, thank you. */
typedef bool kv_visit(void *arg, struct str key, struct str value);
/* Visits keys from `from` on (empty: from the first), in order; those committed. The table must not be changed meanwhile. */
int kv_each(
    struct kv *k, struct str from, kv_visit *visit, void *arg, struct why *why) PH_MUST_CHECK;

#endif
