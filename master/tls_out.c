/*
 * Certificates and authorities for connections outwards: read and tried here, one <domain> block after the other.
 */
#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/tls/client.h"
#include "master/master.h"

static int
try_block(struct tls_files *f, const struct tls_client_spec *spec, const struct conf_origin *at,
    struct why *why)
{
	const unsigned roles = ROLE_BIT(ROLE_DELIVER);
	struct ssl_ctx_st *ctx = NULL;
	struct buf cert, ca;
	struct why what;

	buf_init(&cert, TLS_MAX_FILE);
	buf_init(&ca, TLS_MAX_FILE);
	if (tls_files_take(f, spec->cert, roles, &cert, &what) == 0 &&
	    tls_files_take(f, spec->ca, roles, &ca, &what) == 0)
		ctx = tls_client_context(spec, buf_str(&cert), buf_str(&ca), &what);
	tls_files_wipe(&cert);
	tls_files_wipe(&ca);
	SSL_CTX_free(ctx);
	if (ctx == NULL)
		return why_set(why, "%s:%u: <domain>: %s", at->file, at->line, what.text);
	return 0;
}

/* for mail hosts whose domain's policy wants their certificates verified */
static int
take_sts(const struct conf *c, struct tls_files *f, struct why *why)
{
	const struct conf_set *g = conf_global(c);
	char *path = xstrdup_str(conf_str(g, CONF_GLOBAL_MTA_STS_CA_FILE));
	struct tls_client_spec spec;
	struct conf_origin at = conf_origin(g, CONF_GLOBAL_MTA_STS_CA_FILE);
	int r = 0;

	if (at.file == NULL)
		at = (struct conf_origin){.file = "mta-sts-ca-file", .line = 0};
	if (conf_uses(c, CONF_DOMAIN_USE_MTA_STS)) {
		tls_client_spec(conf_queue(c, STR(""), STR("")), &spec);
		str_copy(spec.ca, sizeof spec.ca, str_of(path));
		spec.cert[0] = '\0';
		r = try_block(f, &spec, &at, why);
		explicit_bzero(&spec, sizeof spec);
	}
	free(path);
	return r;
}

int
tls_out_take(const struct conf *c, struct tls_files *f, struct why *why)
{
	const struct conf_set *set;
	struct tls_client_spec spec;
	struct conf_origin origin;
	size_t at = 0;
	int r = take_sts(c, f, why);

	while (r == 0 && (set = tls_client_next(c, &at, &origin)) != NULL) {
		tls_client_spec(set, &spec);
		r = try_block(f, &spec, &origin, why);
		explicit_bzero(&spec, sizeof spec);
	}
	return r;
}
