/*
 * Texts with variables, ${name}: what an operator wrote, with what is known put in. Names that are not known stay as they
 * are written. It never looks into what it puts in.
 */
#ifndef PH_MAIL_TEMPLATE_H
#define PH_MAIL_TEMPLATE_H

#include "lib/base/buf.h"

struct template_value {
	const char *name;
	struct str value;
};
/* Appends the text; -1: over the buffer's cap. */
int template_expand(
    struct buf *b, struct str text, const struct template_value *values, size_t n) PH_MUST_CHECK;

#endif
