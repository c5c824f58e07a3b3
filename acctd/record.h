/*
 * From a RECORD message to lines in the files that want it.
 */
#ifndef PH_ACCTD_RECORD_H
#define PH_ACCTD_RECORD_H

#include "acctd/acctd.h"

/* Appends the lines. False: the message breaks its contract. Sets *urgent when a file with `sync` got one. */
bool record_take(struct acctd *a, const struct ipc_record *r, const struct str *text,
    bool is_report, bool *urgent);

#endif
