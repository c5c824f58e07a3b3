/*
 * What TLS of the listeners is made of: the files that master gives, and from them, once a configuration, one context
 * for each of its listeners.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "injectd/injectd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/daemon/daemon.h"
#include "lib/tls/server.h"

#define MAX_GIVEN (16u * 1024 * 1024)

/* from master, until the configuration that they belong to is in use */
struct given {
	char *path; /* empty: the keys of session tickets */
	struct buf contents;
};
static struct {
	struct given *list;
	size_t n;
	struct ssl_ctx_st **contexts; /* by row of conf_listener_at() */
	size_t n_contexts;
	struct ssl_ctx_st **api; /* by number of <transmissions-api-listener> */
	size_t n_api;
} tls;

static void
wipe(struct given *g)
{
	if (g->contents.base != NULL)
		explicit_bzero(g->contents.base, g->contents.size);
	buf_clear(&g->contents);
	free(g->path);
}

static void
forget_given(void)
{
	for (size_t i = 0; i < tls.n; i++)
		wipe(&tls.list[i]);
	tls.n = 0;
	xfree(&tls.list);
}

static void
read_given(struct given *g, int fd)
{
	if (read_sealed(fd, MAX_GIVEN, &g->contents) == -1)
		fatal("a file from master cannot be read: %s", strerrordesc_np(errno));
}

void
tls_in_take(struct str path, int fd)
{
	tls.list = xreallocarray(tls.list, tls.n + 1, sizeof *tls.list);
	tls.list[tls.n].path = xstrdup_str(path);
	read_given(&tls.list[tls.n++], fd);
	close(fd);
}

struct str
tls_in_file(const char *path)
{
	/* of a reload that was given up there may be older ones */
	for (size_t i = tls.n; i-- > 0;)
		if (strcmp(tls.list[i].path, path) == 0)
			return buf_str(&tls.list[i].contents);
	return STR_NULL;
}

/* of a spec that is cleared with it; NULL: there is no certificate */
static struct ssl_ctx_st *
make(struct tls_server_spec *spec)
{
	struct str keys = tls_in_file("");
	struct ssl_ctx_st *ctx = NULL;
	struct why why;

	if (spec->cert[0] != '\0') {
		ctx =
		    tls_server_context(spec, tls_in_file(spec->cert), tls_in_file(spec->ca), &why);
		/* master has tried it */
		if (ctx == NULL)
			log_error("event=tls-not-offered why=%s", log_quote(str_of(why.text)));
		else if (keys.len == TLS_TICKET_KEYS)
			tls_server_share_tickets(ctx, keys.p);
	}
	tls_server_spec_clear(spec);
	return ctx;
}

static void
make_api_contexts(const struct conf *c)
{
	struct tls_server_spec spec;

	tls.n_api = conf_n_blocks(c, CONF_BLOCK_APILISTENER);
	tls.api = xcalloc(tls.n_api + 1, sizeof *tls.api);
	for (size_t i = 0; i < tls.n_api; i++) {
		tls_server_spec_api(c, i, &spec);
		tls.api[i] = make(&spec);
	}
}

void
tls_in_use_conf(void)
{
	const struct conf *c = daemon_conf();
	struct tls_server_spec spec;

	tls_in_free();
	tls.n_contexts = conf_n_listeners(c);
	tls.contexts = xcalloc(tls.n_contexts, sizeof *tls.contexts);
	for (size_t i = 0; i < tls.n_contexts; i++) {
		tls_server_spec(c, conf_listener_at(c, i), &spec);
		tls.contexts[i] = make(&spec);
	}
	make_api_contexts(c);
	forget_given();
}

struct ssl_ctx_st *
tls_in_context(size_t row)
{
	return row < tls.n_contexts ? tls.contexts[row] : NULL;
}

struct ssl_ctx_st *
tls_in_api_context(size_t i)
{
	return i < tls.n_api ? tls.api[i] : NULL;
}

void
tls_in_free(void)
{
	/* connections keep theirs alive */
	for (size_t i = 0; i < tls.n_contexts; i++)
		SSL_CTX_free(tls.contexts[i]);
	tls.n_contexts = 0;
	xfree(&tls.contexts);
	for (size_t i = 0; i < tls.n_api; i++)
		SSL_CTX_free(tls.api[i]);
	tls.n_api = 0;
	xfree(&tls.api);
}
