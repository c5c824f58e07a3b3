/*
 * tail and trace: events printed as they come, a line each; in the forms for programs each line is whole by itself.
 */
#ifndef PH_PMTACTL_STREAM_H
#define PH_PMTACTL_STREAM_H

#include "pmtactl/client.h"
#include "pmtactl/options.h"

/* A client_event; ctx is the struct options. False: the output takes no more. */
client_event stream_print;

#endif
