/* The contexts and the files that they are made of: one context for all connections with the same settings. */
#include <errno.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "deliverd/tls.h"
#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"

#define MAX_CONTEXTS                                                                               \
	256 /* slots by hash; one that loses its slot lives as long as its connections */

struct tls_context {
	struct tls_client_spec spec;
	uint64_t id;
	uint32_t n_refs;
	SSL_CTX *ctx; /* NULL: not wanted yet */
};
struct file {
	char *path;
	struct buf contents;
};
struct files {
	struct file *list;
	size_t n;
};
static struct {
	struct tls_context *slots[MAX_CONTEXTS];
	struct files given, used;
} state;

/* ---- files ---- */

static void
files_clear(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct buf *b = &f->list[i].contents;

		if (b->base != NULL)
			explicit_bzero(b->base, b->size);
		buf_clear(b);
		free(f->list[i].path);
	}
	xfree(&f->list);
	f->n = 0;
}

void
tls_take_file(struct str path, int fd)
{
	struct file *f;

	state.given.list =
	    xreallocarray(state.given.list, state.given.n + 1, sizeof *state.given.list);
	f = &state.given.list[state.given.n++];
	f->path = xstrdup_str(path);
	if (read_sealed(fd, TLS_MAX_FILE, &f->contents) == -1)
		fatal("a file from master cannot be read: %s", strerrordesc_np(errno));
	if (close(fd) == -1)
		log_warn("event=close errno=%d", errno);
}

void
tls_use_files(void)
{
	files_clear(&state.used);
	state.used = state.given;
	state.given = (struct files){0};
	tls_context_clear_all();
}

static struct str
file_of(const char *path)
{
	/* of a reload that was given up there may be older ones */
	for (size_t i = state.used.n; i-- > 0;)
		if (strcmp(state.used.list[i].path, path) == 0)
			return buf_str(&state.used.list[i].contents);
	return STR("");
}

/* ---- contexts ---- */

struct tls_context *
tls_context_get(const struct tls_client_spec *spec)
{
	uint64_t id = str_hash(str_from((const char *)spec, sizeof *spec));
	struct tls_context **slot = &state.slots[id % MAX_CONTEXTS], *c = *slot;

	if (c == NULL || memcmp(&c->spec, spec, sizeof *spec) != 0) {
		tls_context_put(slot);
		c = xcalloc(1, sizeof *c);
		c->spec = *spec;
		c->id = id;
		c->n_refs = 1;
		*slot = c;
	}
	c->n_refs++;
	return c;
}

void
tls_context_put(struct tls_context **cp)
{
	struct tls_context *c = *cp;

	*cp = NULL;
	if (c == NULL || --c->n_refs > 0)
		return;
	SSL_CTX_free(c->ctx);
	explicit_bzero(c, sizeof *c);
	free(c);
}

struct ssl_ctx_st *
tls_context_ssl(struct tls_context *c, struct why *why)
{
	if (c->ctx == NULL)
		c->ctx =
		    tls_client_context(&c->spec, file_of(c->spec.cert), file_of(c->spec.ca), why);
	return c->ctx;
}

uint64_t
tls_context_id(const struct tls_context *c)
{
	return c->id;
}

bool
tls_context_has_ca(const struct tls_context *c)
{
	return c->spec.ca[0] != '\0';
}

bool
tls_context_is_dane(const struct tls_context *c)
{
	return c->spec.is_dane != 0;
}

void
tls_context_clear_all(void)
{
	for (size_t i = 0; i < MAX_CONTEXTS; i++)
		tls_context_put(&state.slots[i]);
}
