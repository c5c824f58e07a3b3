/*
 * The control commands: one table for queued (what it answers), pmtactl (words, help, completion) and the manual.
 */
#ifndef PH_CTL_COMMANDS_H
#define PH_CTL_COMMANDS_H

#include "lib/base/str.h"

enum ctl_command {
#define COMMAND(id, number, words, args, n_args, rights, help) CTL_##id = (number),
#include "lib/ctl/commands.def"
#undef COMMAND
};
enum ctl_rights { CTL_RIGHT_READ, CTL_RIGHT_OPERATE, CTL_RIGHT_ADMIN };

/* where each argument stands in a request's texts; unused ones are empty */
enum ctl_arg {
	ARG_TARGET, /* queue, domain, job, VirtualMTA, id, address, name, file */
	ARG_ORIG,
	ARG_RCPT,
	ARG_JOB,
	ARG_ENVID,
	ARG_OLDER,     /* seconds */
	ARG_CONNECTED, /* yes, no */
	ARG_PAUSED,
	ARG_MODE,
	ARG_SORT,		 /* name, rcpt, size */
	ARG_PRIORITY = ARG_SORT, /* of set priority */
	ARG_FLAGS, /* words parted by commas: errors, dsn, no-accounting, dry-run, retry-recipients, priority,
		      schedule, all */
	ARG_VMTA,
	ARG_MAX,
	ARG_EVENT = ARG_MODE,	  /* of tail: kinds, parted by commas */
	ARG_SOURCE = ARG_ORIG,	  /* disable source, enable source: an address */
	ARG_REENABLE = ARG_OLDER, /* disable source: seconds */
	ARG_FOR = ARG_OLDER,	  /* suppress: seconds */
	ARG_REASON = ARG_ENVID,	  /* suppress */
	ARG_MX = ARG_ORIG,	  /* classify */
};

struct ctl_row {
	enum ctl_command command;
	enum ctl_rights rights;
	const char *words; /* "show queues" */
	const char *args;  /* as the help shows them */
	const char *help;
};
size_t ctl_n_rows(void);
const struct ctl_row *ctl_row_at(size_t i);
const struct ctl_row *ctl_row_of(uint32_t command);

/* Is the word among a request's flags, which commas part? */
bool ctl_has_flag(struct str flags, const char *word);

#endif
