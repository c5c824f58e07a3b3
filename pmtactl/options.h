/*
 * The command line: words (which may be abbreviated as long as they are unambiguous), options, arguments.
 */
#ifndef PH_PMTACTL_OPTIONS_H
#define PH_PMTACTL_OPTIONS_H

#include "lib/base/why.h"
#include "lib/ctl/commands.h"

enum output_form { FORM_TEXT, FORM_JSON, FORM_XML, FORM_DOM };
/* what pmtactl does by itself, or with several questions */
enum local_command {
	LOCAL_NONE,
	LOCAL_HELP,
	LOCAL_TEST_CONFIG,
	LOCAL_AUDIT,
	LOCAL_HASH_PASSWORD,
	LOCAL_CAT,
	LOCAL_NO_LICENSE,
	LOCAL_NO_CACHE,
	LOCAL_DIGEST,
	LOCAL_COMPLETION_BASH,
	LOCAL_COMPLETION_ZSH,
	LOCAL_COMPLETION_FISH,
	LOCAL_RESOLVE,
	LOCAL_EXPORT, /* of the suppression database, by many requests */
	LOCAL_IMPORT,
	LOCAL_STREAM,
	LOCAL_TOP,
	LOCAL_HISTORY
};

struct options {
	const char *config;
	const char *socket; /* NULL: as the configuration says */
	enum output_form form;
	enum local_command local;
	const char *words;	   /* of the command, whole */
	const struct ctl_row *row; /* when the server is asked */
	struct str args[ARG_MAX];
	uint32_t max;
	uint32_t n_connect;	  /* resolve: how many hosts to try */
	char flags[128], age[16]; /* what args refers to: the struct must not be copied */
};

/* -1: `why` says what is wrong with the command line. Views borrow from argv. */
int options_read(int argc, char **argv, struct options *o, struct why *why) PH_MUST_CHECK;
bool options_flag(const struct options *o, const char *name);
void options_help(FILE *out);
/* All commands, for completion: 0 first, false at the end. */
bool options_command(size_t i, const char **words, const char **args);

#endif
