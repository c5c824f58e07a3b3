/*
 * The command line of posthaste(8). Never touches anything but its arguments.
 */
#ifndef PH_MASTER_OPTIONS_H
#define PH_MASTER_OPTIONS_H

#include "lib/base/why.h"

#define OPTIONS_DEFAULT_CONFIG "/etc/pmta/config"
#define OPTIONS_USAGE	       "usage: posthaste [-c FILE] [-f] [-t [-alm] [-d FILE]] [-v]"

struct options {
	const char *config; /* -c, borrowed from argv */
	bool foreground;    /* -f */
	bool test;	    /* -t: check the configuration and leave */
	bool any_address;   /* -a: also one for another machine */
	bool lines;	    /* -l: say what became of each line */
	const char *other;  /* -d: say what differs from this configuration, borrowed */
	bool machine;	    /* -m: that in a form for programs */
	bool version;	    /* -v */
};

/* 0, or -1 with `why` (the usage included). */
int options_parse(int argc, char **argv, struct options *o, struct why *why) PH_MUST_CHECK;

#endif
