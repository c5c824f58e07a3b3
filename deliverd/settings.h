/*
 * What the configuration says about one connection, copied: nothing here points into a struct conf, so a reload
 * changes only connections that are made after it.
 */
#ifndef PH_DELIVERD_SETTINGS_H
#define PH_DELIVERD_SETTINGS_H

#include "deliverd/session.h"
#include "lib/conf/conf.h"

#define SETTINGS_CIPHERS 256

/* which TLS to offer; also the key under which contexts are shared, so it is compared as bytes (zeroed first) */
struct tls_settings {
	uint32_t versions; /* enum tls_version bits */
	char ciphers[SETTINGS_CIPHERS];
	char suites[SETTINGS_CIPHERS];
};
enum tls_version { TLS_SSL3 = 1, TLS_1_0 = 2, TLS_1_1 = 4, TLS_1_2 = 8, TLS_1_3 = 16 };

struct settings {
	struct session_conf session; /* ehlo, window and detect_loop are not set here */
	struct tls_settings tls;
	bool reuse_tls_session;
};

void settings_read(const struct conf_set *set, struct settings *s);

#endif
