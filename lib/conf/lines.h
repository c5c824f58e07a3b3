/*
 * What became of each line of a configuration: for people who come with one of PowerMTA's and want to know what is
 * honoured, what is understood as something else, and what does not apply and why. Made while the files are read, in
 * their order; a line with several statements has several entries. Secrets are left out of the texts. It must never
 * change what is loaded.
 */
#ifndef PH_CONF_LINES_H
#define PH_CONF_LINES_H

#include "lib/conf/conf.h"

enum conf_fate {
	CONF_FATE_HONOURED,
	CONF_FATE_TRANSLATED,	  /* the same as another directive: `why` has it */
	CONF_FATE_NOT_YET,	  /* known, accepted, without effect in this version */
	CONF_FATE_NOT_APPLICABLE, /* accepted and ignored: `why` says the reason */
	CONF_FATE_WRONG,	  /* an error */
	CONF_N_FATES
};

struct conf_line {
	const char *file; /* of the struct conf_lines; NULL: the whole configuration */
	uint32_t line;	  /* 0: the whole file */
	enum conf_fate fate;
	char *text; /* as it stands, without comments */
	char *why;  /* "" when there is nothing to say */
};
struct conf_lines {
	struct conf_line *list;
	size_t n, cap;
	char **files;
	size_t n_files;
};

/*
 * As conf_load(), and fills `lines`, also when there were errors. any_address: addresses and directories that this
 * machine does not have are taken, too: for a check away from the server.
 */
struct conf *conf_load_lines(
    const char *path, bool any_address, struct conf_messages *m, struct conf_lines *lines);
void conf_lines_clear(struct conf_lines *lines);
/* "honoured", "translated", "not yet honoured", "not applicable", "wrong" */
const char *conf_fate_name(enum conf_fate f);

#endif
