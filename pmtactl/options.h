/*
 * The command line: words (which may be abbreviated as long as they are unambiguous), options, arguments.
 */
#ifndef PH_PMTACTL_OPTIONS_H
#define PH_PMTACTL_OPTIONS_H

#include "lib/base/why.h"
#include "lib/ctl/commands.h"

enum output_form { FORM_TEXT, FORM_JSON, FORM_XML, FORM_DOM };
/* what pmtactl does by itself, without the server; LATER: PowerMTA has it, this version not yet */
enum local_command {
	LOCAL_NONE,
	LOCAL_HELP,
	LOCAL_TEST_CONFIG,
	LOCAL_AUDIT,
	LOCAL_HASH_PASSWORD,
	LOCAL_CAT,
	LOCAL_LATER
};

struct options {
	const char *config;
	const char *socket; /* NULL: as the configuration says */
	enum output_form form;
	enum local_command local;
	const char *words;	   /* of the command, whole */
	const struct ctl_row *row; /* when local is LOCAL_NONE or LOCAL_CAT */
	struct str args[ARG_MAX];
	uint32_t max;
	char flags[128], age[16]; /* what args refers to: the struct must not be copied */
};

/* -1: `why` says what is wrong with the command line. Views borrow from argv. */
int options_read(int argc, char **argv, struct options *o, struct why *why) PH_MUST_CHECK;
void options_help(FILE *out);

#endif
