/*
 * What the configuration says about one connection, copied: nothing here points into a struct conf, so a reload
 * changes only connections that are made after it.
 */
#ifndef PH_DELIVERD_SETTINGS_H
#define PH_DELIVERD_SETTINGS_H

#include "deliverd/session.h"
#include "lib/conf/conf.h"
#include "lib/tls/client.h"

struct settings {
	struct session_conf session; /* ehlo, window and detect_loop are not set here */
	struct tls_client_spec tls;
	bool reuse_tls_session;
};

void settings_read(const struct conf_set *set, struct settings *s);

#endif
