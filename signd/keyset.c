#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "signd/signd.h"

#define MAX_BYTES ((size_t)1 << 30)

struct held {
	struct str text; /* PEM, until it is parsed; in the set's own memory */
	struct dkim_key *key;
	uint32_t algorithm;
};
struct keyset {
	struct held *keys;
	char *memory; /* kept out of core dumps */
	size_t size;
	uint64_t generation, hash;
	uint32_t n;
};

/* the next key of the text; false: it breaks its form */
static bool
take_key(struct str *rest, struct held *h)
{
	uint32_t head[2];

	if (rest->len < sizeof head)
		return false;
	memcpy(head, rest->p, sizeof head);
	*rest = str_skip(*rest, sizeof head);
	if (head[0] > rest->len || head[0] > DKIM_MAX_KEY_TEXT || head[1] >= DKIM_ALGORITHM_MAX)
		return false;
	*h = (struct held){.text = str_sub(*rest, 0, head[0]), .algorithm = head[1]};
	*rest = str_skip(*rest, head[0]);
	return true;
}

static int
fill(struct keyset *s, int fd, struct why *why)
{
	struct stat st;
	struct str rest;

	if (fstat(fd, &st) == -1 || st.st_size < 0 || (uint64_t)st.st_size > MAX_BYTES)
		return why_set(why, "the keys that master gave have no usable size");
	s->size = (size_t)st.st_size + 1;
	s->memory = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->memory == MAP_FAILED) {
		s->memory = NULL;
		return why_errno(why, "no memory for the keys");
	}
	if (madvise(s->memory, s->size, MADV_DONTDUMP) == -1)
		return why_errno(why, "the keys cannot be kept out of dumps");
	if (pread_all(fd, s->memory, s->size - 1, 0) != (ssize_t)s->size - 1)
		return why_errno(why, "the keys that master gave cannot be read");
	rest = str_from(s->memory, s->size - 1);
	for (uint32_t i = 0; i < s->n; i++)
		if (!take_key(&rest, &s->keys[i]))
			return why_set(why, "key %u that master gave is out of form", i);
	return rest.len == 0 ? 0 : why_set(why, "master gave more than keys");
}

struct keyset *
keyset_read(const struct ipc_keys *head, int fd, struct why *why)
{
	struct keyset *s;

	if (head->n > MAX_BYTES / sizeof *s->keys) {
		why_set(why, "master gave too many keys");
		return NULL;
	}
	s = xcalloc(1, sizeof *s);
	s->generation = head->generation;
	s->hash = head->hash;
	s->n = (uint32_t)head->n;
	s->keys = xcalloc(PH_MAX(s->n, 1u), sizeof *s->keys);
	if (fill(s, fd, why) == -1)
		keyset_free(&s);
	return s;
}

void
keyset_free(struct keyset **sp)
{
	struct keyset *s = *sp;

	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		dkim_key_free(&s->keys[i].key);
	if (s->memory != NULL) {
		explicit_bzero(s->memory, s->size);
		if (munmap(s->memory, s->size) == -1)
			log_warn("event=munmap errno=%d", errno);
	}
	free(s->keys);
	xfree(sp);
}

uint64_t
keyset_generation(const struct keyset *s)
{
	return s->generation;
}

uint64_t
keyset_hash(const struct keyset *s)
{
	return s->hash;
}

uint32_t
keyset_n(const struct keyset *s)
{
	return s->n;
}

enum dkim_algorithm
keyset_algorithm(const struct keyset *s, uint32_t key)
{
	ph_assert(key < s->n);
	return (enum dkim_algorithm)s->keys[key].algorithm;
}

size_t
keyset_sign(struct keyset *s, uint32_t key, const uint8_t digest[DKIM_HASH_LEN], uint8_t *out,
    struct why *why)
{
	struct held *h;

	if (key >= s->n) {
		why_set(why, "there is no key %u", key);
		return 0;
	}
	h = &s->keys[key];
	if (h->key == NULL) {
		h->key = dkim_key_parse(h->text, why);
		if (h->key == NULL)
			return 0;
		/* from now on OpenSSL has it */
		explicit_bzero(s->memory + (h->text.p - s->memory), h->text.len);
	}
	return dkim_key_sign(h->key, digest, out, why);
}
