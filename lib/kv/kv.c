#include "lib/kv/kv.h"

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/disk.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define LOG_FILE_BYTES	     (1024u * 1024) /* recovery fills the last one up */
#define SPARE_BYTES	     (2 * LOG_FILE_BYTES)
#define MAX_LOCKS	     20000
#define COMMITS_A_CHECKPOINT 1000
#define CHECKPOINT_KB	     (32u * 1024)

struct kv {
	DB_ENV *env;
	DB *db;
	DB_TXN *txn; /* the open batch, or NULL */
	unsigned n_commits;
	int lock_fd; /* who holds it owns the table */
};

static int
trouble(struct why *why, const char *what, int err)
{
	return why_set(why, "%s: %s", what, db_strerror(err));
}

static void
on_error(const DB_ENV *env, const char *prefix, const char *text)
{
	log_warn("kv event=trouble text=%s", log_quote(str_of(text)));
}

/* ---- opening ---- */

static bool
is_opened_by_name(const char *file, const char *name)
{
	return strcmp(file, name) == 0 || strcmp(file, "DB_CONFIG") == 0 ||
	       strncmp(file, "log.", 4) == 0 || strncmp(file, "__db", 4) == 0;
}

/* Berkeley DB opens by path: it would follow a link, and wait for the other end of a FIFO. */
static int
must_be_plain(int dirfd, const char *dir, const char *name, struct why *why)
{
	DIR *d = fdopendir(dirfd);
	const struct dirent *e = NULL;
	struct stat st;

	if (d == NULL) {
		close(dirfd);
		return why_errno(why, "Cannot read %s", dir);
	}
	while ((e = readdir(d)) != NULL)
		if (is_opened_by_name(e->d_name, name) &&
		    (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
			!S_ISREG(st.st_mode) || st.st_nlink != 1))
			break;
	if (e != NULL)
		why_set(why, "%s/%s must be a plain file that has no other name", dir, e->d_name);
	closedir(d);
	return e == NULL ? 0 : -1;
}

/* Two owners would destroy it, and Berkeley DB does not tell. */
static int
take_lock(struct kv *k, const char *dir, const char *name, struct why *why)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd == -1)
		return why_errno(why, "Cannot open %s", dir);
	k->lock_fd = open_plain(dirfd, "lock", O_RDWR | O_CREAT, 0600);
	if (k->lock_fd == -1) {
		why_errno(why, "Cannot open %s/lock", dir);
		close(dirfd);
		return -1;
	}
	if (must_be_plain(dirfd, dir, name, why) == -1)
		return -1;
	if (flock(k->lock_fd, LOCK_EX | LOCK_NB) == -1)
		return why_errno(why, "The table in %s has another owner", dir);
	return 0;
}

static int
open_env(struct kv *k, const char *dir, unsigned cache_mb, struct why *why)
{
	const uint32_t flags = DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK |
			       DB_INIT_MPOOL | DB_PRIVATE | DB_RECOVER;
	int err = db_env_create(&k->env, 0);

	if (err != 0)
		return trouble(why, "Cannot make the table's environment", err);
	k->env->set_errcall(k->env, on_error);
	(void)k->env->set_cachesize(k->env, 0, cache_mb * 1024 * 1024, 1);
	(void)k->env->set_lg_max(k->env, LOG_FILE_BYTES);
	(void)k->env->set_lk_max_locks(k->env, MAX_LOCKS);
	(void)k->env->set_lk_max_objects(k->env, MAX_LOCKS);
	(void)k->env->log_set_config(k->env, DB_LOG_AUTO_REMOVE, 1);
	err = k->env->open(k->env, dir, flags, 0600);
	return err == 0 ? 0 : trouble(why, "Cannot open the table's environment", err);
}

static int
open_db(struct kv *k, const char *name, struct why *why)
{
	int err = db_create(&k->db, k->env, 0);

	if (err == 0)
		err = k->db->open(
		    k->db, NULL, name, NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
	return err == 0 ? 0 : trouble(why, "Cannot open the table", err);
}

static struct kv *
try_open(const char *dir, const char *name, unsigned cache_mb, struct why *why)
{
	struct kv *k = xcalloc(1, sizeof *k);

	k->lock_fd = -1;
	if (take_lock(k, dir, name, why) == -1 || open_env(k, dir, cache_mb, why) == -1 ||
	    open_db(k, name, why) == -1)
		kv_close(&k);
	return k;
}

/* Recovery writes: room is set aside for one start on a full disk. */
static bool
spare_give(const char *dir)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/spare", dir);
	return unlink(path) == 0;
}

static void
spare_make(const char *dir)
{
	static const char nothing[64 * 1024];
	char path[4096];
	ssize_t r = 0;
	int fd;

	snprintf(path, sizeof path, "%s/spare", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return;
	for (size_t n = 0; n < SPARE_BYTES && r != -1; n += sizeof nothing)
		r = write(fd, nothing, sizeof nothing);
	close(fd);
	if (r == -1)
		(void)spare_give(dir);
}

bool
kv_disk_is_full(const char *dir)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool is = fd != -1 && disk_is_full(fd, 2 * SPARE_BYTES);

	if (fd != -1)
		close(fd);
	return is;
}

struct kv *
kv_open(const char *dir, const char *name, unsigned cache_mb, struct why *why)
{
	struct kv *k = try_open(dir, name, cache_mb, why);

	if (k == NULL && spare_give(dir))
		k = try_open(dir, name, cache_mb, why);
	if (k != NULL)
		spare_make(dir);
	return k;
}

void
kv_close(struct kv **kp)
{
	struct kv *k = *kp;

	if (k == NULL)
		return;
	kv_abort(k);
	if (k->db != NULL)
		(void)k->db->close(k->db, 0);
	if (k->env != NULL) {
		(void)k->env->txn_checkpoint(k->env, 0, 0, 0);
		(void)k->env->close(k->env, 0);
	}
	if (k->lock_fd != -1)
		close(k->lock_fd);
	xfree(kp);
}

/* ---- one key ---- */

/* Berkeley DB's arguments are not const, though it does not write there */
static void *
writable(const char *p)
{
	return (void *)(uintptr_t)p;
}

static DBT
thing(struct str s)
{
	return (DBT){.data = writable(s.p),
	    .size = (uint32_t)s.len,
	    .flags = DB_DBT_USERMEM,
	    .ulen = (uint32_t)s.len};
}

int
kv_get(struct kv *k, struct str key, struct buf *value, struct why *why)
{
	DBT kt = thing(key), vt = {.flags = DB_DBT_USERMEM};
	size_t room;
	int err;

	buf_reset(value);
	vt.data = buf_reserve(value, PH_MIN((size_t)KV_MAX_VALUE, value->cap), &room);
	vt.ulen = (uint32_t)room;
	err = k->db->get(k->db, k->txn, &kt, &vt, 0);
	if (err == DB_NOTFOUND)
		return 0;
	if (err != 0)
		return trouble(why, "Cannot read the table", err);
	buf_wrote(value, vt.size);
	return 1;
}

static int
need_batch(struct kv *k, struct why *why)
{
	int err;

	if (k->txn != NULL)
		return 0;
	err = k->env->txn_begin(k->env, NULL, &k->txn, 0);
	return err == 0 ? 0 : trouble(why, "Cannot begin a change of the table", err);
}

int
kv_put(struct kv *k, struct str key, struct str value, struct why *why)
{
	DBT kt = thing(key), vt = thing(value);
	int err;

	if (key.len > KV_MAX_KEY || value.len > KV_MAX_VALUE)
		return why_set(why, "The key or the value is too long for the table.");
	if (need_batch(k, why) == -1)
		return -1;
	err = k->db->put(k->db, k->txn, &kt, &vt, 0);
	if (err == 0)
		return 0;
	kv_abort(k);
	return trouble(why, "Cannot write the table", err);
}

int
kv_del(struct kv *k, struct str key, struct why *why)
{
	DBT kt = thing(key);
	int err;

	if (need_batch(k, why) == -1)
		return -1;
	err = k->db->del(k->db, k->txn, &kt, 0);
	if (err == DB_NOTFOUND)
		return 0;
	if (err == 0)
		return 1;
	kv_abort(k);
	return trouble(why, "Cannot write the table", err);
}

/* ---- batches ---- */

int
kv_commit(struct kv *k, struct why *why)
{
	DB_TXN *txn = k->txn;
	int err;

	if (txn == NULL)
		return 0;
	k->txn = NULL;
	err = txn->commit(txn, DB_TXN_SYNC);
	if (err != 0)
		return trouble(why, "Cannot make a change of the table durable", err);
	if (++k->n_commits % COMMITS_A_CHECKPOINT == 0)
		(void)k->env->txn_checkpoint(k->env, CHECKPOINT_KB, 0, 0);
	return 0;
}

void
kv_abort(struct kv *k)
{
	if (k->txn != NULL)
		(void)k->txn->abort(k->txn);
	k->txn = NULL;
}

/* ---- all ---- */

static int
walk(DBC *cursor, struct str from, kv_visit *visit, void *arg)
{
	DBT kt = {.data = writable(from.p), .size = (uint32_t)from.len}, vt = {0};
	int err = cursor->get(cursor, &kt, &vt, from.len > 0 ? DB_SET_RANGE : DB_FIRST);

	while (err == 0 && visit(arg, str_from(kt.data, kt.size), str_from(vt.data, vt.size)))
		err = cursor->get(cursor, &kt, &vt, DB_NEXT);
	return err;
}

int
kv_each(struct kv *k, struct str from, kv_visit *visit, void *arg, struct why *why)
{
	DBC *cursor;
	int err = k->db->cursor(k->db, NULL, &cursor, 0);

	if (err == 0) {
		err = walk(cursor, from, visit, arg);
		(void)cursor->close(cursor);
	}
	return err == 0 || err == DB_NOTFOUND ? 0 : trouble(why, "Cannot read the table", err);
}
