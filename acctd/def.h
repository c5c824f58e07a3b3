/*
 * What one <acct-file> says, copied out of the configuration so that it outlives a reload, and whether two say
 * the same.
 */
#ifndef PH_ACCTD_DEF_H
#define PH_ACCTD_DEF_H

#include "acctd/filter.h"
#include "lib/acct/layout.h"
#include "lib/command/commands.h"
#include "lib/conf/conf.h"

enum def_kind { DEF_FILE, DEF_PIPE, DEF_POST };
struct acct_def {
	enum def_kind kind;
	char *path;    /* as configured, /DIR/NAME.csv; owned like all below */
	char *dir;     /* /DIR */
	char *base;    /* NAME */
	char *ext;     /* .csv, or empty */
	char *move_to; /* directory, or empty */
	char *user_string;
	char *url;	 /* DEF_POST: where to; otherwise empty */
	uint32_t same;	 /* how many before it are for the same command */
	uint32_t number; /* of its command (lib/command), of the list with this hash */
	uint64_t command_hash;
	int64_t retry_ms;   /* retry-interval */
	int64_t timeout_ms; /* write-timeout; DEF_POST: http-webhook-max-interval */
	struct acct_layout layout;
	struct filter filter;
	uint64_t max_size;	  /* bytes, CONF_UNLIMITED */
	int64_t move_interval_ms; /* CONF_NEVER */
	int64_t delete_after_ms;  /* CONF_NEVER */
	bool iso_times, world_readable, sync;
};

/* Returns owned, with all fields empty but the names made from path; NULL with `why` when path cannot be one. */
struct acct_def *acct_def_new(struct str path, struct why *why);
void acct_def_free(struct acct_def **d);
bool acct_def_eq(const struct acct_def *a, const struct acct_def *b);

/*
 * Number i of the configuration, whose commands are `list`. NULL, with the reason logged, for what is no path. Odd
 * fields and filters are logged.
 */
struct acct_def *acct_def_load(const struct conf *c, size_t i, const struct commands *list);
#endif
