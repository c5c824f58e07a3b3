/*
 * All statistics in the text format of Prometheus (version 0.0.4), made from the pages of all processes. Who serves it
 * over HTTP is another's affair. How many lines it has follows from the tables alone (see STATS_LABELS), never from
 * what outsiders sent; labels are escaped.
 */
#ifndef PH_STATS_METRICS_H
#define PH_STATS_METRICS_H

#include "lib/base/buf.h"
#include "lib/stats/stats.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* more than it ever needs */
#define METRICS_MAX (1024u * 1024u)

/* Appends everything. Pages of one role and instance come once; NULL is passed over. -1: the buffer's cap. */
int metrics_write(struct buf *b, const struct stats_page *const *pages, size_t n) PH_MUST_CHECK;

#endif
