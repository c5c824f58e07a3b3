#include "master/options.h"

#include <unistd.h>

static int
take(int letter, const char *value, struct options *o)
{
	switch (letter) {
	case 'c':
		o->config = value;
		return 0;
	case 'f':
		o->foreground = true;
		return 0;
	case 't':
		o->test = true;
		return 0;
	case 'a':
		o->any_address = true;
		return 0;
	case 'd':
		o->other = value;
		return 0;
	case 'l':
		o->lines = true;
		return 0;
	case 'm':
		o->lines = o->machine = true;
		return 0;
	case 'v':
		o->version = true;
		return 0;
	default:
		return -1;
	}
}

int
options_parse(int argc, char **argv, struct options *o, struct why *why)
{
	int letter;

	*o = (struct options){.config = OPTIONS_DEFAULT_CONFIG};
	optind = 0; /* 0, not 1: GNU's way to begin anew, tests parse many */
	opterr = 0;
	while ((letter = getopt(argc, argv, "+:ac:d:flmtv")) != -1) {
		if (letter == ':')
			return why_set(why, "option -%c needs a value; " OPTIONS_USAGE, optopt);
		if (take(letter, optarg, o) == -1)
			return why_set(why, "unknown option -%c; " OPTIONS_USAGE, optopt);
	}
	if (optind < argc)
		return why_set(why, "unexpected argument %s; " OPTIONS_USAGE, argv[optind]);
	if ((o->any_address || o->lines || o->other != NULL) && !o->test)
		return why_set(why, "options -a, -d, -l and -m go with -t; " OPTIONS_USAGE);
	return 0;
}
