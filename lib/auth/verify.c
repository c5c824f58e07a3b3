#include "lib/auth/verify.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

#define MAX_WAITING 64
#define MAX_KNOWN   256 /* a power of two */
#define KNOWN_MS    (5 * 60 * 1000)

struct job {
	struct job *next;
	verify_done *done;
	void *ctx; /* NULL: cancelled; the loop's alone */
	char hash[crypto_pwhash_STRBYTES];
	char password[VERIFY_MAX_PASSWORD];
	size_t len;
	bool is_nobody, is_right;
};
struct list {
	struct job *first, **end;
};
/* what was right: a slot is overwritten by the next that falls on it */
struct known {
	unsigned char digest[crypto_generichash_BYTES];
	struct mono until;
};
static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct list todo, done; /* under the lock */
	bool is_ending;		/* under the lock */
	bool is_open, has_thread;
	int wake_fd;
	struct ev_io io;
	struct job *waiting[MAX_WAITING]; /* all that were not answered */
	size_t n_waiting;
	struct known known[MAX_KNOWN];
	unsigned char key[crypto_generichash_KEYBYTES];
	char nobody[crypto_pwhash_STRBYTES]; /* the hash of a password that nobody has */
} v = {.lock = PTHREAD_MUTEX_INITIALIZER, .has_work = PTHREAD_COND_INITIALIZER, .wake_fd = -1};

static void
put(struct list *l, struct job *j)
{
	j->next = NULL;
	if (l->first == NULL)
		l->end = &l->first;
	*l->end = j;
	l->end = &j->next;
}

static struct job *
take(struct list *l)
{
	struct job *j = l->first;

	if (j != NULL)
		l->first = j->next;
	return j;
}

static void
free_job(struct job *j)
{
	explicit_bzero(j, sizeof *j);
	free(j);
}

/* ---- the thread ---- */

static void
try(struct job *j)
{
	const char *hash = j->is_nobody ? v.nobody : j->hash;
	bool is_right = crypto_pwhash_str_verify(hash, j->password, j->len) == 0;

	j->is_right = is_right && !j->is_nobody;
}

/* as costly as what `pmtactl hash-password` makes */
static void
make_nobody(void)
{
	char password[24];

	randombytes_buf(password, sizeof password);
	if (crypto_pwhash_str(v.nobody, password, sizeof password,
		crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) == -1)
		fatal("no memory to hash a password");
}

static void *
work(void *arg)
{
	static const uint64_t one = 1;
	struct job *j;

	make_nobody();
	pthread_mutex_lock(&v.lock);
	while (!v.is_ending) {
		j = take(&v.todo);
		if (j == NULL) {
			pthread_cond_wait(&v.has_work, &v.lock);
			continue;
		}
		pthread_mutex_unlock(&v.lock);
		try(j);
		pthread_mutex_lock(&v.lock);
		put(&v.done, j);
		if (write(v.wake_fd, &one, sizeof one) != (ssize_t)sizeof one)
			panic("the loop cannot be woken");
	}
	pthread_mutex_unlock(&v.lock);
	return NULL;
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
on_done(struct ev_io *io, int what)
{
	struct job *j;
	uint64_t n;

	if (read(v.wake_fd, &n, sizeof n) == -1 && errno != EAGAIN)
		panic("eventfd: %s", strerrordesc_np(errno));
	for (;;) {
		pthread_mutex_lock(&v.lock);
		j = take(&v.done);
		pthread_mutex_unlock(&v.lock);
		if (j == NULL)
			return;
		if (j->is_right)
			remember(j);
		forget_waiting(j);
		if (j->ctx != NULL)
			j->done(j->ctx, j->is_right);
		free_job(j);
	}
}

/* with the first work, and so behind the walls of the sandbox: not all of them hold threads that are there already */
static void
start_thread(void)
{
	if (v.has_thread)
		return;
	if (pthread_create(&v.thread, NULL, work, NULL) != 0)
		fatal("the thread that tries passwords cannot be made");
	v.has_thread = true;
}

bool
verify_start(struct str hash, struct str password, verify_done *done, void *ctx)
{
	struct job *j;

	if (!v.is_open || v.n_waiting == MAX_WAITING || password.len > sizeof j->password)
		return false;
	j = xcalloc(1, sizeof *j);
	j->done = done;
	j->ctx = ctx;
	j->is_nobody = hash.len == 0 || str_copy(j->hash, sizeof j->hash, hash) >= sizeof j->hash;
	j->len = password.len;
	if (password.len > 0)
		memcpy(j->password, password.p, password.len);
	v.waiting[v.n_waiting++] = j;
	start_thread();
	pthread_mutex_lock(&v.lock);
	put(&v.todo, j);
	pthread_cond_signal(&v.has_work);
	pthread_mutex_unlock(&v.lock);
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
	if (v.is_open)
		return;
	randombytes_buf(v.key, sizeof v.key);
	v.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v.wake_fd == -1)
		fatal("passwords cannot be tried: %s", strerrordesc_np(errno));
	v.is_open = true;
	ev_io_init(&v.io, v.wake_fd, on_done);
	ev_io_want(&v.io, EV_IN);
}

void
verify_close(void)
{
	struct job *j;

	if (!v.is_open)
		return;
	pthread_mutex_lock(&v.lock);
	v.is_ending = true;
	pthread_cond_signal(&v.has_work);
	pthread_mutex_unlock(&v.lock);
	if (v.has_thread)
		pthread_join(v.thread, NULL);
	ev_io_stop(&v.io);
	close(v.wake_fd);
	while ((j = take(&v.todo)) != NULL || (j = take(&v.done)) != NULL)
		free_job(j);
	v.n_waiting = 0;
	v.is_open = v.has_thread = v.is_ending = false;
}
