#include "lib/suppress/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

struct shared {
	uint64_t magic, n_blocks, capacity;
	_Atomic uint64_t n;
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
	char pad[16];
	_Atomic uint64_t block[][WORDS];
};
struct filter {
	struct shared *s;
	size_t size;
	int fd; /* readers' end, -1: not the owner */
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
	char path[64];
	int fd = memfd_create("suppression-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	f->size = size_of(n_blocks);
	if (fd == -1 || ftruncate(fd, (off_t)f->size) == -1) {
		why_errno(why, "Cannot make the suppression filter");
		if (fd != -1)
			close(fd);
		return -1;
	}
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	f->s = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	if (f->s != MAP_FAILED && f->fd != -1)
		return 0;
	why_errno(why, "Cannot map the suppression filter");
	f->s = f->s == MAP_FAILED ? NULL : f->s;
	return -1;
}

struct filter *
filter_new(uint64_t capacity, struct why *why)
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
	randombytes_buf(f->s->key, sizeof f->s->key);
	return f;
}

struct filter *
filter_map(int fd, struct why *why)
{
	struct filter *f = xcalloc(1, sizeof *f);
	struct stat st;

	f->fd = -1;
	if (fstat(fd, &st) == -1 || st.st_size < (off_t)sizeof(struct shared)) {
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

static struct place
place_of(const struct shared *s, struct str address)
{
	char text[MAX_ADDRESS];
	unsigned char h[16];
	uint64_t a, b;

	address = str_sub(address, 0, sizeof text);
	for (size_t i = 0; i < address.len; i++)
		text[i] = ascii_lower(address.p[i]);
	crypto_shorthash_siphashx24(h, (const unsigned char *)text, address.len, s->key);
	memcpy(&a, h, 8);
	memcpy(&b, h + 8, 8);
	return (struct place){.block = a % s->n_blocks, .bits = b};
}

static uint64_t
mask_of(struct place p, unsigned word)
{
	return UINT64_C(1) << (p.bits >> (word * 6) & 63);
}

void
filter_add(struct filter *f, struct str address)
{
	struct place p = place_of(f->s, address);

	for (unsigned i = 0; i < WORDS; i++)
		atomic_fetch_or_explicit(
		    &f->s->block[p.block][i], mask_of(p, i), memory_order_relaxed);
	atomic_fetch_add_explicit(&f->s->n, 1, memory_order_release);
}

bool
filter_may_have(const struct filter *f, struct str address)
{
	struct place p = place_of(f->s, address);

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
