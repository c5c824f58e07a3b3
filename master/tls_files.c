/*
 * Certificates and keys: read here, where the rights are, tried, and handed to injectd and deliverd as sealed memory. No daemon
 * opens them by name.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/auth/access_file.h"
#include "lib/base/buf.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/tls/server.h"
#include "master/master.h"

#define MAX_BLACKLIST (16u * 1024 * 1024)

/* ---- contents ---- */

static int
read_file(const char *path, struct buf *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd == -1)
		return -1;
	r = fstat(fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		r = -1;
	}
	if (r == 0)
		r = read_whole(fd, (size_t)PH_MIN(st.st_size, (off_t)MAX_BLACKLIST), to);
	close(fd);
	return r;
}

static int
sealed(struct str contents)
{
	int fd = memfd_create("posthaste-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd != -1 && write(fd, contents.p, contents.len) == (ssize_t)contents.len &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	fatal("memory for certificates cannot be had: %s", strerrordesc_np(errno));
}

void
tls_files_wipe(struct buf *b)
{
	if (b->base != NULL)
		explicit_bzero(b->base, b->size);
	buf_clear(b);
}

static void
add(struct tls_files *f, const char *path, unsigned roles, struct str contents)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].path, path) == 0) {
			f->list[i].roles |= roles;
			return;
		}
	f->list = xreallocarray(f->list, f->n + 1, sizeof *f->list);
	f->list[f->n++] =
	    (struct tls_file){.path = xstrdup(path), .fd = sealed(contents), .roles = roles};
}

int
tls_files_take(
    struct tls_files *f, const char *path, unsigned roles, struct buf *to, struct why *why)
{
	if (path[0] == '\0')
		return 0;
	if (read_file(path, to) == -1)
		return why_set(why, "%s cannot be read: %s", path, strerrordesc_np(errno));
	add(f, path, roles, buf_str(to));
	return 0;
}

static int
take_for(struct tls_files *f, unsigned roles, const char *path, const struct conf_origin *at,
    struct buf *to, struct why *why)
{
	struct why what;

	if (tls_files_take(f, path, roles, to, &what) == 0)
		return 0;
	return why_set(why, "%s:%u: %s", at->file, at->line, what.text);
}

/* A listener's, for injectd. */
static int
take_file(struct tls_files *f, const char *path, const struct conf_origin *at, struct buf *to,
    struct why *why)
{
	return take_for(f, ROLE_BIT(ROLE_INJECT), path, at, to, why);
}

/* ---- listeners ---- */

static int
try_server(struct tls_files *f, unsigned roles, const struct tls_server_spec *spec, struct why *why)
{
	struct ssl_ctx_st *ctx = NULL;
	struct buf cert, ca;

	buf_init(&cert, TLS_MAX_FILE);
	buf_init(&ca, TLS_MAX_FILE);
	if (take_for(f, roles, spec->cert, &spec->cert_at, &cert, why) == 0 &&
	    take_for(f, roles, spec->ca, &spec->ca_at, &ca, why) == 0)
		ctx = tls_server_context(spec, buf_str(&cert), buf_str(&ca), why);
	tls_files_wipe(&cert);
	tls_files_wipe(&ca);
	SSL_CTX_free(ctx);
	return ctx == NULL ? -1 : 0;
}

static int
take_listener(const struct conf *c, size_t i, struct tls_files *f, struct why *why)
{
	const struct conf_listener *row = conf_listener_at(c, i);
	struct tls_server_spec spec;
	int r = 0;

	tls_server_spec(c, row, &spec);
	if (spec.cert[0] != '\0')
		r = try_server(f, ROLE_BIT(ROLE_INJECT), &spec, why);
	else if (conf_bool(row->set, CONF_LISTENER_IMMEDIATE_TLS))
		r = why_set(why,
		    "%s:%u: immediate-tls needs a tls-certificate or smtp-server-tls-certificate",
		    row->origin.file, row->origin.line);
	tls_server_spec_clear(&spec);
	return r;
}

/* ---- users who show a certificate ---- */

static int
take_user(const struct conf *c, size_t i, struct tls_files *f, struct why *why)
{
	const struct conf_set *set = conf_block_at(c, CONF_BLOCK_USER, i);
	struct conf_origin at = conf_origin(set, CONF_USER_TLS_CERTIFICATE);
	char *path = xstrdup_str(conf_str(set, CONF_USER_TLS_CERTIFICATE));
	struct buf pem;
	int r;

	buf_init(&pem, TLS_MAX_FILE);
	r = take_file(f, path, &at, &pem, why);
	if (r == 0 && path[0] != '\0' && !tls_is_certificate(buf_str(&pem)))
		r = why_set(why, "%s:%u: there is no certificate in %s", at.file, at.line, path);
	tls_files_wipe(&pem);
	free(path);
	return r;
}

static int
take_blacklist(const struct conf *c, struct tls_files *f, struct why *why)
{
	const struct conf_set *g = conf_global(c);
	struct conf_origin at = conf_origin(g, CONF_GLOBAL_DUMMY_SMTP_BLACKLIST);
	char *path = xstrdup_str(conf_str(g, CONF_GLOBAL_DUMMY_SMTP_BLACKLIST));
	struct buf text;
	int r;

	buf_init(&text, MAX_BLACKLIST);
	r = take_file(f, path, &at, &text, why);
	buf_clear(&text);
	free(path);
	return r;
}

/* ---- the web monitor ---- */

static int
take_access_file(const struct conf *c, struct tls_files *f, struct why *why)
{
	const struct conf_set *http = conf_merged(c, CONF_BLOCK_HTTP);
	struct access_file users;
	struct conf_origin at;
	struct buf text;
	struct why what;
	char *path;
	int r;

	at = conf_origin(http, CONF_HTTP_ACCESS_FILE);
	path = xstrdup_str(conf_str(http, CONF_HTTP_ACCESS_FILE));
	buf_init(&text, TLS_MAX_FILE);
	r = take_for(f, ROLE_BIT(ROLE_WEB), path, &at, &text, why);
	if (r == 0 && path[0] != '\0' && access_file_parse(buf_str(&text), &users, &what) == -1)
		r = why_set(why, "%s:%u: access-file %s: %s", at.file, at.line, path, what.text);
	else if (r == 0 && path[0] != '\0')
		access_file_clear(&users);
	tls_files_wipe(&text);
	free(path);
	return r;
}

static int
take_monitor(const struct conf *c, struct tls_files *f, struct why *why)
{
	struct tls_server_spec spec;
	int r = 0;

	tls_server_spec_web(c, &spec);
	if (spec.cert[0] != '\0')
		r = try_server(f, ROLE_BIT(ROLE_WEB), &spec, why);
	tls_server_spec_clear(&spec);
	return r == -1 ? -1 : take_access_file(c, f, why);
}

static int
take_api(const struct conf *c, size_t i, struct tls_files *f, struct why *why)
{
	struct conf_origin at = conf_block_origin(c, CONF_BLOCK_APILISTENER, i);
	struct tls_server_spec spec;
	int r;

	tls_server_spec_api(c, i, &spec);
	if (spec.cert[0] == '\0')
		r = why_set(why, "%s:%u: <transmissions-api-listener> needs a tls-certificate",
		    at.file, at.line);
	else
		r = try_server(f, ROLE_BIT(ROLE_INJECT), &spec, why);
	tls_server_spec_clear(&spec);
	return r;
}

static int
take_all(const struct conf *c, struct tls_files *f, struct why *why)
{
	for (size_t i = 0; i < conf_n_listeners(c); i++)
		if (take_listener(c, i, f, why) == -1)
			return -1;
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_USER); i++)
		if (take_user(c, i, f, why) == -1)
			return -1;
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_APILISTENER); i++)
		if (take_api(c, i, f, why) == -1)
			return -1;
	if (take_monitor(c, f, why) == -1)
		return -1;
	return take_blacklist(c, f, why);
}

/* Keys for session tickets, the same in all processes: whichever takes the next connection knows the session. */
static void
add_ticket_keys(struct tls_files *f)
{
	char keys[TLS_TICKET_KEYS];

	if (RAND_bytes((unsigned char *)keys, sizeof keys) != 1)
		fatal("OpenSSL has no random numbers");
	add(f, "", ROLE_BIT(ROLE_INJECT), str_from(keys, sizeof keys));
	explicit_bzero(keys, sizeof keys);
}

int
tls_files_open(const struct conf *c, struct tls_files *f, struct why *why)
{
	*f = (struct tls_files){0};
	if (take_all(c, f, why) == -1) {
		tls_files_close(f);
		return -1;
	}
	if (f->n > 0)
		add_ticket_keys(f);
	if (tls_out_take(c, f, why) == -1) {
		tls_files_close(f);
		return -1;
	}
	return 0;
}

void
tls_files_close(struct tls_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		close(f->list[i].fd);
		free(f->list[i].path);
	}
	free(f->list);
	*f = (struct tls_files){0};
}
