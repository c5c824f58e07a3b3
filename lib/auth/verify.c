#include "lib/auth/verify.h"

#include <sodium.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"
#include "lib/ev/worker.h"

#define MAX_WAITING 64
#define MAX_KNOWN   256 /* a power of two */
#define KNOWN_MS    (5 * 60 * 1000)

struct job {
	struct ev_work work;
	verify_done *done;
	void *ctx; /* NULL: cancelled; the loop's alone */
	char hash[crypto_pwhash_STRBYTES];
	char password[VERIFY_MAX_PASSWORD];
	size_t len;
	bool is_nobody, is_right;
};
/* what was right: a slot is overwritten by the next that falls on it */
struct known {
	unsigned char digest[crypto_generichash_BYTES];
	struct mono until;
};
static struct {
	struct ev_worker *thread;	  /* NULL: not open */
	_Atomic bool is_ending;		  /* what was not tried yet is not */
	struct job *waiting[MAX_WAITING]; /* all that were not answered */
	size_t n_waiting;
	struct known known[MAX_KNOWN];
	unsigned char key[crypto_generichash_KEYBYTES];
	char nobody
	    [crypto_pwhash_STRBYTES]; /* the hash of a password that nobody has; the thread's */
} v;

static void
free_job(struct job *j)
{
	explicit_bzero(j, sizeof *j);
	free(j);
}

/* ---- the thread ---- */

/* as costly as what `pmtactl hash-password` makes */
static void
make_nobody(void)
{
	char password[24];

	if (v.nobody[0] != '\0')
		return;
	randombytes_buf(password, sizeof password);
	if (crypto_pwhash_str(v.nobody, password, sizeof password,
		crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) == -1)
		fatal("no memory to hash a password");
}

static void
try(struct ev_work *work)
{
	struct job *j = ph_container_of(work, struct job, work);
	bool is_right;

	if (v.is_ending)
		return;
	make_nobody();
	is_right =
	    crypto_pwhash_str_verify(j->is_nobody ? v.nobody : j->hash, j->password, j->len) == 0;
	j->is_right = is_right && !j->is_nobody;
}

/* ---- what is known ---- */

static struct known *
slot_of(struct str hash, struct str password, unsigned char digest[crypto_generichash_BYTES])
{
	crypto_generichash_state st;

	(void)crypto_generichash_init(&st, v.key, sizeof v.key, crypto_generichash_BYTES);
	/* a hash has no NUL in it */
	(void)crypto_generichash_update(&st, (const unsigned char *)hash.p, hash.len);
	(void)crypto_generichash_update(&st, (const unsigned char *)"", 1);
	(void)crypto_generichash_update(&st, (const unsigned char *)password.p, password.len);
	(void)crypto_generichash_final(&st, digest, crypto_generichash_BYTES);
	explicit_bzero(&st, sizeof st);
	return &v.known[digest[0] % MAX_KNOWN];
}

bool
verify_is_known(struct str hash, struct str password)
{
	unsigned char digest[crypto_generichash_BYTES];
	const struct known *k = slot_of(hash, password, digest);

	return sodium_memcmp(k->digest, digest, sizeof digest) == 0 &&
	       mono_is_before(ev_now(), k->until);
}

static void
remember(const struct job *j)
{
	unsigned char digest[crypto_generichash_BYTES];
	struct known *k = slot_of(str_of(j->hash), str_from(j->password, j->len), digest);

	memcpy(k->digest, digest, sizeof digest);
	k->until = mono_add_ms(ev_now(), KNOWN_MS);
}

/* ---- the loop ---- */

static void
forget_waiting(const struct job *j)
{
	for (size_t i = 0; i < v.n_waiting; i++)
		if (v.waiting[i] == j) {
			v.waiting[i] = v.waiting[--v.n_waiting];
			return;
		}
}

static void
tried(struct ev_work *work)
{
	struct job *j = ph_container_of(work, struct job, work);

	if (j->is_right)
		remember(j);
	forget_waiting(j);
	if (j->ctx != NULL)
		j->done(j->ctx, j->is_right);
	free_job(j);
}

bool
verify_start(struct str hash, struct str password, verify_done *done, void *ctx)
{
	struct job *j;

	if (v.thread == NULL || v.n_waiting == MAX_WAITING || password.len > sizeof j->password)
		return false;
	j = xcalloc(1, sizeof *j);
	j->done = done;
	j->ctx = ctx;
	j->is_nobody = hash.len == 0 || str_copy(j->hash, sizeof j->hash, hash) >= sizeof j->hash;
	j->len = password.len;
	if (password.len > 0)
		memcpy(j->password, password.p, password.len);
	j->work = (struct ev_work){.run = try, .done = tried};
	v.waiting[v.n_waiting++] = j;
	ev_worker_submit(v.thread, &j->work);
	return true;
}

void
verify_cancel(void *ctx)
{
	for (size_t i = 0; i < v.n_waiting; i++)
		if (v.waiting[i]->ctx == ctx)
			v.waiting[i]->ctx = NULL;
}

void
verify_open(void)
{
	if (v.thread != NULL)
		return;
	randombytes_buf(v.key, sizeof v.key);
	v.thread = ev_worker_new("the passwords");
}

void
verify_close(void)
{
	if (v.thread == NULL)
		return;
	v.is_ending = true;
	for (size_t i = 0; i < v.n_waiting; i++)
		v.waiting[i]->ctx = NULL;
	ev_worker_free(&v.thread);
	v.is_ending = false;
}
