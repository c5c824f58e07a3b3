/*
 * The commands that a configuration names, each with a number: the same list in every process that has this
 * configuration, so that a peer orders a command by its number and never by its words. Also the values that may stand
 * in a command line or path ($user, …). Nothing here runs anything.
 */
#ifndef PH_COMMAND_COMMANDS_H
#define PH_COMMAND_COMMANDS_H

#include "lib/conf/conf.h"

enum command_kind {
	COMMAND_ACCT,	 /* <acct-file |command>: fed with records for as long as it lives */
	COMMAND_POST,	 /* http-webhook-url: one run posts what it is fed; `text` is the URL */
	COMMAND_PIPE,	 /* command of <domain>: one run a recipient */
	COMMAND_FILE,	 /* file-destination of <domain>: one run a recipient; `text` is the path */
	COMMAND_HTTP,	 /* http-delivery-url of <domain>: one run a recipient; `text` is the URL */
	COMMAND_ALERT,	 /* alert-command: one run a batch of alerts */
	COMMAND_HANDLER, /* <fbl> handler of type pipe: one run a report */
	COMMAND_STS,	 /* use-mta-sts: one run gets a policy; `text` is the file of authorities */
	COMMAND_KINDS
};

struct command {
	enum command_kind kind;
	struct str text;	    /* as written; borrowed from the configuration */
	struct str name;	    /* COMMAND_POST: of its <acct-file> */
	struct str user;	    /* whose rights it has */
	const struct conf_set *set; /* of the block that it stands in, by itself */
	struct conf_origin origin;
};
struct commands {
	struct command *list; /* owned */
	size_t n;
	uint64_t hash; /* tells one list from another */
};

/* All of them. Borrows from c: valid as long as that is. */
void commands_make(struct commands *l, const struct conf *c);
void commands_clear(struct commands *l);
/* Number of the one of this kind that stands at this place; false: there is none. */
bool commands_find(const struct commands *l, enum command_kind kind,
    const struct conf_origin *origin, uint32_t *number);
/* The same for what holds for a queue, by the key that names it (CONF_DOMAIN_COMMAND, …). */
bool commands_find_of(const struct commands *l, enum command_kind kind, const struct conf_set *set,
    enum conf_key key, uint32_t *number);

/* What may stand in a command line or a path as $NAME. */
enum command_value {
	VALUE_BODYTYPE,
	VALUE_CTIME,
	VALUE_ENVID,
	VALUE_FROM,
	VALUE_ISODATE,
	VALUE_TIMET,
	VALUE_RFCTIME,
	VALUE_TO,
	VALUE_USER,
	VALUE_DOMAIN,
	VALUE_ID, /* the message's; for names of new files */
	VALUE_SPARE,
	COMMAND_VALUES
};

/*
 * The words of a command line with their values put in, each a C string; no shell reads them. A blank ends a word,
 * "…" keeps blanks, a backslash takes the next character as it is, $name is one of the values (empty for a command
 * without any: values NULL). A value never makes a new word. False with `why`: no word, too many or too long, an
 * unknown $name, or a value that holds a NUL or line break, or that would make a word begin with '-'.
 */
#define COMMAND_MAX_WORDS 64
#define COMMAND_MAX_BYTES 8192
struct command_words {
	char *word[COMMAND_MAX_WORDS + 1]; /* NULL behind the last; they lie in `bytes` */
	size_t n;
	char bytes[COMMAND_MAX_BYTES];
};
bool command_split(
    struct str text, const struct str *values, struct command_words *w, struct why *why);
/*
 * Takes a $name from the front of *rest: which value it is; COMMAND_VALUES: there is none of that name. *rest begins
 * with '$' and is moved behind the name.
 */
enum command_value command_value_named(struct str *rest);
/* Is it one that command_split() takes, whatever the values? For the checker. */
bool command_check(struct str text, struct why *why);

#endif
