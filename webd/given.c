#include "webd/given.h"

#include <errno.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/tls/server.h"

#define MAX_GIVEN (1024u * 1024)

struct given {
	char *path;
	struct buf content;
};
static struct {
	struct given *list;
	size_t n;
} files;

void
given_take(struct str path, int fd)
{
	struct given *g;

	files.list = xreallocarray(files.list, files.n + 1, sizeof *files.list);
	g = &files.list[files.n++];
	g->path = xstrdup_str(path);
	if (read_sealed(fd, MAX_GIVEN, &g->content) == -1)
		fatal("a file from master cannot be read: %s", strerrordesc_np(errno));
	close(fd);
}

struct str
given_file(struct str path)
{
	/* of a reload that was given up there may be older ones */
	for (size_t i = files.n; i-- > 0;)
		if (str_eq(str_of(files.list[i].path), path))
			return buf_str(&files.list[i].content);
	return STR_NULL;
}

struct ssl_ctx_st *
given_context(const struct conf *c)
{
	struct tls_server_spec spec;
	struct ssl_ctx_st *ctx = NULL;
	struct why why;

	tls_server_spec_web(c, &spec);
	if (spec.cert[0] != '\0') {
		ctx = tls_server_context(
		    &spec, given_file(str_of(spec.cert)), given_file(str_of(spec.ca)), &why);
		/* master has tried it */
		if (ctx == NULL)
			log_error("event=tls-not-offered why=%s", log_quote(str_of(why.text)));
	}
	tls_server_spec_clear(&spec);
	return ctx;
}

void
given_forget(void)
{
	for (size_t i = 0; i < files.n; i++) {
		struct given *g = &files.list[i];
		if (g->content.base != NULL)
			explicit_bzero(g->content.base, g->content.size);
		buf_clear(&g->content);
		free(g->path);
	}
	files.n = 0;
	xfree(&files.list);
}
