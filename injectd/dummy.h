/*
 * The listener that takes all it gets and keeps nothing of it (dummy-smtp-…): for tests of what feeds a server. Its
 * sessions know only as much of SMTP as a client needs to be content; nothing of it ever reaches the spool.
 */
#ifndef PH_INJECTD_DUMMY_H
#define PH_INJECTD_DUMMY_H

#include "injectd/data.h"
#include "lib/base/buf.h"
#include "lib/conf/conf.h"

#define DUMMY_MAX_LINE	4096u
#define DUMMY_MAX_INPUT (128u * 1024)

/* Addresses, sorted without case; views into text. */
struct dummy_list {
	char *text;
	struct str *addresses;
	size_t n;
};
/* What all its sessions share. */
struct dummy_rules {
	const struct conf_set *global;
	const char *host;
	struct dummy_list blacklist;
};

enum dummy_state { DUMMY_COMMAND, DUMMY_DATA, DUMMY_CHUNK, DUMMY_CLOSING };
struct dummy {
	const struct dummy_rules *rules;
	struct buf in, out;
	struct data_filter filter;
	uint64_t chunk_left;
	uint32_t n_rcpts;
	uint8_t state; /* enum dummy_state */
	bool has_sender, has_more_parts;
};

/* One address a line; blank lines and those with # in front are skipped. */
void dummy_list_make(struct dummy_list *l, struct str text);
void dummy_list_clear(struct dummy_list *l);
bool dummy_list_has(const struct dummy_list *l, struct str address);

/* Greets into d->out. */
void dummy_init(struct dummy *d, const struct dummy_rules *rules);
void dummy_clear(struct dummy *d);
/* One command, or content as far as it goes; at most one reply. False: more must come into d->in first. */
bool dummy_step(struct dummy *d);

#endif
