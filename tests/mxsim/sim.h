/*
 * The whole simulator's state, one struct: policy, providers at work, listeners, counters. Made by main.c; the other
 * files reach it through their connection.
 */
#ifndef PH_MXSIM_SIM_H
#define PH_MXSIM_SIM_H

#include <openssl/ssl.h>

#include "lib/ev/ev.h"
#include "tests/mxsim/count.h"
#include "tests/mxsim/provider.h"

struct sim;
struct names;
struct control;

struct listener {
	struct ev_io io;
	struct sim *sim;
	struct provider *provider;
	size_t mx;
	struct net_addr addr;
	int fd; /* -1: closed */
};
struct sim_options {
	const char *policy, *stats, *log, *dump, *control;
	bool verbose;
};
struct sim {
	struct sim_options options;
	struct policy *policy;
	struct provider *providers[PROVIDER_MAX];
	struct listener *listeners[PROVIDER_MAX * MX_MAX];
	size_t n_providers, n_listeners;
	struct counter counter;
	struct names *names;
	struct control *control;
	SSL_CTX *tls;
	uint32_t n_conns, max_conns;
	struct mono started;
	char read_buf[256 * 1024];
};

/* Reads the policy file and puts it in force: new listeners opened, those gone closed. -1 with `why`: nothing changed. */
int sim_load(struct sim *s, struct why *why) PH_MUST_CHECK;
/* The statistics as JSON, appended. */
void stats_write(struct sim *s, struct buf *b);
/* Into the file that was asked for, by rename. */
void stats_save(struct sim *s);

#endif
