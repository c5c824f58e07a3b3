/*
 * suppression export and import: the database as CSV, a page of rows at a time, so that neither side holds much of it,
 * however many there are.
 */
#ifndef PH_PMTACTL_SUPPRESSION_H
#define PH_PMTACTL_SUPPRESSION_H

#include "lib/base/why.h"

/* file NULL or "-": standard output, standard input. Says what was done on standard error. -1 with `why`. */
int suppression_export(const char *socket_path, const char *file, struct why *why) PH_MUST_CHECK;
/* is_dry: it is read and judged, and nothing is changed. */
int suppression_import(
    const char *socket_path, const char *file, bool is_dry, struct why *why) PH_MUST_CHECK;

#endif
