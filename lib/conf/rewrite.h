/*
 * <rewrite-list>: what a sender's address, and the domains in From, become. Pure look-ups in what was loaded; the first
 * line of the list that applies decides. It never makes an address out of what was none.
 */
#ifndef PH_CONF_REWRITE_H
#define PH_CONF_REWRITE_H

#include "lib/base/str.h"

struct conf;
struct rewrite_list;
/* NULL: there is none of that name. Lives as long as the configuration. */
const struct rewrite_list *conf_rewrite_list(const struct conf *c, struct str name);

/*
 * The sender (without <>; empty: the null sender) by mail-from: true when a line applies, *out is then a view of
 * dst[size] or of the list. What would not fit stays as it is (false).
 */
bool rewrite_sender(
    const struct rewrite_list *l, struct str sender, char *dst, size_t size, struct str *out);
bool rewrite_has_domains(const struct rewrite_list *l);
/* A domain of From by from-domain: true when a line applies, *out is a view of the list. */
bool rewrite_domain(const struct rewrite_list *l, struct str domain, struct str *out);

#endif
