/*
 * What the configuration says of the form of reports: dsn-format by destination, and the templates for reports of
 * failure (dsn-failed-…-template). Texts only: who gets a report is decided elsewhere.
 */
#ifndef PH_BOUNCED_WORDING_H
#define PH_BOUNCED_WORDING_H

#include "lib/conf/conf.h"
#include "lib/mail/report.h"

struct wording;
/* conf is borrowed for the life of what is returned. */
struct wording *wording_new(const struct conf *conf);
void wording_free(struct wording **w);

/* dsn-format plain-text for mail to that address by that VirtualMTA? */
bool wording_is_plain(const struct wording *w, struct str address, struct str vmta);
/* Is there a template? Then a report of failure has one recipient. */
bool wording_is_single(const struct wording *w);
/* From, Subject and text of a report of failure, by the templates; what has none is left. Texts live until the next call. */
void wording_apply(struct wording *w, struct report *r);

#endif
