#include "lib/tls/server.h"

/* A listener's directive and the global one that holds without it. */
struct pair {
	enum conf_key own, global;
};
static const struct pair cert = {CONF_LISTENER_TLS_CERTIFICATE,
			     CONF_GLOBAL_SMTP_SERVER_TLS_CERTIFICATE},
			 ca = {CONF_LISTENER_TLS_CA_FILE, CONF_GLOBAL_SMTP_SERVER_TLS_CA_FILE},
			 ciphers = {CONF_LISTENER_TLS_CIPHERS, CONF_GLOBAL_SMTP_SERVER_TLS_CIPHERS},
			 suites = {CONF_LISTENER_TLS_TLSV1_3_CIPHERSUITES,
			     CONF_GLOBAL_SMTP_SERVER_TLS_V1_3_CIPHERSUITES},
			 dh = {CONF_LISTENER_TLS_DH_KEY_LENGTH,
			     CONF_GLOBAL_SMTP_SERVER_TLS_DH_KEY_LENGTH};
static const struct {
	struct pair key;
	enum tls_bits bit;
} versions[] = {
    {{CONF_LISTENER_TLS_ALLOW_TLSV1, CONF_GLOBAL_SMTP_SERVER_TLS_ALLOW_TLSV1}, TLS_BIT_1_0},
    {{CONF_LISTENER_TLS_ALLOW_TLSV1_1, CONF_GLOBAL_SMTP_SERVER_TLS_ALLOW_TLSV1_1}, TLS_BIT_1_1},
    {{CONF_LISTENER_TLS_ALLOW_TLSV1_2, CONF_GLOBAL_SMTP_SERVER_TLS_ALLOW_TLSV1_2}, TLS_BIT_1_2},
    {{CONF_LISTENER_TLS_ALLOW_TLSV1_3, CONF_GLOBAL_SMTP_SERVER_TLS_ALLOW_TLSV1_3}, TLS_BIT_1_3},
};

struct found {
	const struct conf_set *set;
	enum conf_key key;
};

static struct found
find(const struct conf *c, const struct conf_listener *row, struct pair p)
{
	if (row->set != NULL && conf_is_set(row->set, p.own))
		return (struct found){row->set, p.own};
	return (struct found){conf_global(c), p.global};
}

static struct conf_origin
take_text(struct found f, char *to, size_t size)
{
	(void)str_copy(to, size, conf_str(f.set, f.key));
	return conf_origin(f.set, f.key);
}

/* a client that may prove itself by its certificate must be asked for it */
static bool
has_certificate_users(const struct conf *c)
{
	for (size_t i = 0; i < conf_n_blocks(c, CONF_BLOCK_USER); i++)
		if (conf_str(conf_block_at(c, CONF_BLOCK_USER, i), CONF_USER_TLS_CERTIFICATE).len >
		    0)
			return true;
	return false;
}

void
tls_server_spec(const struct conf *c, const struct conf_listener *row, struct tls_server_spec *spec)
{
	static const unsigned dh_bits[] = {1024, 2048, 4096};
	struct found f = find(c, row, cert);

	*spec = (struct tls_server_spec){0};
	(void)conf_arg(conf_str(f.set, f.key), 0, spec->cert, sizeof spec->cert);
	(void)conf_arg(conf_str(f.set, f.key), 1, spec->password, sizeof spec->password);
	spec->cert_at = conf_origin(f.set, f.key);
	spec->ca_at = take_text(find(c, row, ca), spec->ca, sizeof spec->ca);
	spec->ciphers_at = take_text(find(c, row, ciphers), spec->ciphers, sizeof spec->ciphers);
	spec->suites_at = take_text(find(c, row, suites), spec->suites, sizeof spec->suites);
	for (size_t i = 0; i < countof(versions); i++) {
		f = find(c, row, versions[i].key);
		spec->versions |= conf_bool(f.set, f.key) ? (unsigned)versions[i].bit : 0;
		if (conf_is_set(f.set, f.key))
			spec->versions_at = conf_origin(f.set, f.key);
	}
	f = find(c, row, dh);
	spec->dh_bits = dh_bits[conf_enum(f.set, f.key)];
	spec->asks_client = spec->ca[0] != '\0' || has_certificate_users(c);
}

void
tls_server_spec_web(const struct conf *c, struct tls_server_spec *spec)
{
	static const unsigned dh_bits[] = {1024, 2048, 4096};
	static const struct {
		enum conf_key key;
		enum tls_bits bit;
	} web_versions[] = {
	    {CONF_GLOBAL_HTTP_TLS_ALLOW_TLSV1, TLS_BIT_1_0},
	    {CONF_GLOBAL_HTTP_TLS_ALLOW_TLSV1_1, TLS_BIT_1_1},
	    {CONF_GLOBAL_HTTP_TLS_ALLOW_TLSV1_2, TLS_BIT_1_2},
	    {CONF_GLOBAL_HTTP_TLS_ALLOW_TLSV1_3, TLS_BIT_1_3},
	};
	const struct conf_set *g = conf_global(c);
	struct str cert_line = conf_str(g, CONF_GLOBAL_HTTP_TLS_CERTIFICATE);

	*spec =
	    (struct tls_server_spec){.cert_at = conf_origin(g, CONF_GLOBAL_HTTP_TLS_CERTIFICATE)};
	(void)conf_arg(cert_line, 0, spec->cert, sizeof spec->cert);
	(void)conf_arg(cert_line, 1, spec->password, sizeof spec->password);
	spec->ca_at =
	    take_text((struct found){g, CONF_GLOBAL_HTTP_TLS_CA_FILE}, spec->ca, sizeof spec->ca);
	spec->ciphers_at = take_text(
	    (struct found){g, CONF_GLOBAL_HTTP_TLS_CIPHERS}, spec->ciphers, sizeof spec->ciphers);
	spec->suites_at = take_text((struct found){g, CONF_GLOBAL_HTTP_TLS_TLSV1_3_CIPHERSUITES},
	    spec->suites, sizeof spec->suites);
	for (size_t i = 0; i < countof(web_versions); i++) {
		spec->versions |=
		    conf_bool(g, web_versions[i].key) ? (unsigned)web_versions[i].bit : 0;
		if (conf_is_set(g, web_versions[i].key))
			spec->versions_at = conf_origin(g, web_versions[i].key);
	}
	spec->dh_bits = dh_bits[conf_enum(g, CONF_GLOBAL_HTTP_TLS_DH_KEY_LENGTH)];
}

void
tls_server_spec_api(const struct conf *c, size_t i, struct tls_server_spec *spec)
{
	static const unsigned dh_bits[] = {1024, 2048, 4096};
	static const struct {
		enum conf_key key;
		enum tls_bits bit;
	} api_versions[] = {
	    {CONF_APILISTENER_TLS_ALLOW_TLSV1, TLS_BIT_1_0},
	    {CONF_APILISTENER_TLS_ALLOW_TLSV1_1, TLS_BIT_1_1},
	    {CONF_APILISTENER_TLS_ALLOW_TLSV1_2, TLS_BIT_1_2},
	    {CONF_APILISTENER_TLS_ALLOW_TLSV1_3, TLS_BIT_1_3},
	};
	const struct conf_set *set = conf_block_at(c, CONF_BLOCK_APILISTENER, i);
	struct str cert_line = conf_str(set, CONF_APILISTENER_TLS_CERTIFICATE);

	*spec =
	    (struct tls_server_spec){.cert_at = conf_origin(set, CONF_APILISTENER_TLS_CERTIFICATE)};
	(void)conf_arg(cert_line, 0, spec->cert, sizeof spec->cert);
	(void)conf_arg(cert_line, 1, spec->password, sizeof spec->password);
	spec->ca_at =
	    take_text((struct found){set, CONF_APILISTENER_TLS_CA_FILE}, spec->ca, sizeof spec->ca);
	spec->ciphers_at = take_text(
	    (struct found){set, CONF_APILISTENER_TLS_CIPHERS}, spec->ciphers, sizeof spec->ciphers);
	spec->suites_at = take_text((struct found){set, CONF_APILISTENER_TLS_TLSV1_3_CIPHERSUITES},
	    spec->suites, sizeof spec->suites);
	for (size_t k = 0; k < countof(api_versions); k++) {
		spec->versions |=
		    conf_bool(set, api_versions[k].key) ? (unsigned)api_versions[k].bit : 0;
		if (conf_is_set(set, api_versions[k].key))
			spec->versions_at = conf_origin(set, api_versions[k].key);
	}
	spec->dh_bits = dh_bits[conf_enum(set, CONF_APILISTENER_TLS_DH_KEY_LENGTH)];
}

void
tls_server_spec_clear(struct tls_server_spec *spec)
{
	explicit_bzero(spec, sizeof *spec);
}
