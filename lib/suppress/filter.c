#include "lib/suppress/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/xalloc.h"

/*
 * Blocks of one cache line; an address sets one bit in each of the block's eight words, so that adding and asking touch
 * one line. 12 bits an address.
 */
#define MAGIC		UINT64_C(0x5048464c54523031)
#define WORDS		8
#define BITS_AN_ADDRESS 12
#define MIN_BLOCKS	64
#define MAX_BLOCKS	(UINT64_C(1) << 30)
#define MAX_ADDRESS	1024
/* a reader's mapping must stay backed, and nobody but the owner writes */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

struct shared {
	uint64_t magic, n_blocks, capacity;
	_Atomic uint64_t n;
	struct filter_key key;
	uint64_t traits;
	char pad[8];
	_Atomic uint64_t block[][WORDS];
};
struct filter {
	struct shared *s;
	size_t size;
	int fd; /* for the readers, -1: not the owner */
};

static size_t
size_of(uint64_t n_blocks)
{
	return sizeof(struct shared) + (size_t)n_blocks * WORDS * sizeof(uint64_t);
}

/* ---- making and mapping ---- */

static int
make_memory(struct filter *f, uint64_t n_blocks, struct why *why)
{
	f->size = size_of(n_blocks);
	f->fd = memfd_create("suppression-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (f->fd == -1 || ftruncate(f->fd, (off_t)f->size) == -1)
		return why_errno(why, "Cannot make the suppression filter");
	f->s = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->s == MAP_FAILED) {
		why_errno(why, "Cannot map the suppression filter");
		f->s = NULL;
		return -1;
	}
	/* from here on it is written through this mapping only, whoever has the descriptor */
	if (fcntl(f->fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == -1)
		return why_errno(why, "Cannot seal the suppression filter");
	return 0;
}

struct filter *
filter_new(uint64_t capacity, const struct filter_key *key, struct why *why)
{
	struct filter *f = xcalloc(1, sizeof *f);
	uint64_t n_blocks = capacity * BITS_AN_ADDRESS / (WORDS * 64) + MIN_BLOCKS;

	f->fd = -1;
	if (n_blocks > MAX_BLOCKS) {
		why_set(why, "The suppression filter cannot hold so many addresses.");
		filter_free(&f);
		return NULL;
	}
	if (make_memory(f, n_blocks, why) == -1) {
		filter_free(&f);
		return NULL;
	}
	f->s->magic = MAGIC;
	f->s->n_blocks = n_blocks;
	f->s->capacity = capacity;
	f->s->key = *key;
	return f;
}

struct filter *
filter_map(int fd, struct why *why)
{
	struct filter *f = xcalloc(1, sizeof *f);
	struct stat st;

	f->fd = -1;
	if (fstat(fd, &st) == -1 || st.st_size < (off_t)sizeof(struct shared) ||
	    (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS) {
		why_set(why, "This is no suppression filter.");
		filter_free(&f);
		return NULL;
	}
	f->size = (size_t)st.st_size;
	f->s = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);
	if (f->s == MAP_FAILED) {
		f->s = NULL;
		why_errno(why, "Cannot map the suppression filter");
		filter_free(&f);
		return NULL;
	}
	if (f->s->magic != MAGIC || f->s->n_blocks == 0 || f->s->n_blocks > MAX_BLOCKS ||
	    size_of(f->s->n_blocks) != f->size) {
		why_set(why, "This is no suppression filter.");
		filter_free(&f);
	}
	return f;
}

bool
filter_take(struct filter **list, size_t n, uint32_t index, int fd)
{
	struct why why = {0};
	struct filter *f = index < n ? filter_map(fd, &why) : NULL;

	if (close(fd) == -1)
		log_warn("event=close-failed");
	if (f == NULL) {
		log_error("event=no-suppression-filter text=\"%s\"", why.text);
		return false;
	}
	filter_free(&list[index]);
	list[index] = f;
	return true;
}

void
filter_free(struct filter **fp)
{
	struct filter *f = *fp;

	if (f == NULL)
		return;
	if (f->s != NULL)
		munmap(f->s, f->size);
	if (f->fd != -1)
		close(f->fd);
	xfree(fp);
}

int
filter_fd(const struct filter *f)
{
	return f->fd;
}

/* ---- adding and asking ---- */

struct place {
	uint64_t block;
	uint64_t bits; /* six for each word */
};

/* splitmix64 */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static struct place
place_of(const struct shared *s, uint32_t hash)
{
	return (struct place){
	    .block = mix(hash) % s->n_blocks, .bits = mix(hash + (UINT64_C(1) << 32))};
}

uint32_t
filter_hash(const struct filter *f, struct str address)
{
	char text[MAX_ADDRESS];
	unsigned char h[crypto_shorthash_siphash24_BYTES];
	uint32_t hash;

	address = str_sub(address, 0, sizeof text);
	for (size_t i = 0; i < address.len; i++)
		text[i] = ascii_lower(address.p[i]);
	crypto_shorthash_siphash24(h, (const unsigned char *)text, address.len, f->s->key.bytes);
	memcpy(&hash, h, sizeof hash);
	return hash;
}

static uint64_t
mask_of(struct place p, unsigned word)
{
	return UINT64_C(1) << (p.bits >> (word * 6) & 63);
}

void
filter_add(struct filter *f, struct str address)
{
	filter_add_hash(f, filter_hash(f, address));
}

void
filter_add_hash(struct filter *f, uint32_t hash)
{
	struct place p = place_of(f->s, hash);

	for (unsigned i = 0; i < WORDS; i++)
		atomic_fetch_or_explicit(
		    &f->s->block[p.block][i], mask_of(p, i), memory_order_relaxed);
	atomic_fetch_add_explicit(&f->s->n, 1, memory_order_release);
}

bool
filter_may_have(const struct filter *f, struct str address)
{
	return filter_may_have_hash(f, filter_hash(f, address));
}

void
filter_set_traits(struct filter *f, unsigned traits)
{
	f->s->traits = traits;
}

bool
filter_has(const struct filter *f, enum filter_trait trait)
{
	return (f->s->traits & trait) != 0;
}

bool
filter_may_list(const struct filter *f, struct str address)
{
	size_t at = str_rfind(address, '@');

	if (filter_has(f, FILTER_PATTERNS) || filter_may_have(f, address))
		return true;
	return at != STR_NPOS && (filter_may_have(f, str_skip(address, at)) ||
				     (filter_has(f, FILTER_LOCAL_PARTS) &&
					 filter_may_have(f, str_sub(address, 0, at + 1))));
}

bool
filter_may_have_hash(const struct filter *f, uint32_t hash)
{
	struct place p = place_of(f->s, hash);

	for (unsigned i = 0; i < WORDS; i++)
		if ((atomic_load_explicit(&f->s->block[p.block][i], memory_order_relaxed) &
			mask_of(p, i)) == 0)
			return false;
	return true;
}

uint64_t
filter_count(const struct filter *f)
{
	return atomic_load_explicit(&f->s->n, memory_order_acquire);
}

bool
filter_is_full(const struct filter *f)
{
	return filter_count(f) > f->s->capacity;
}
