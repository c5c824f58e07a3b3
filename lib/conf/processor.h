/*
 * Which addresses are read by a processor instead of being delivered: those of <bounce-processor>,
 * <feedback-loop-processor> and <fbl>; and the files of <email-patterns>. It decides nothing about a message.
 */
#ifndef PH_CONF_PROCESSOR_H
#define PH_CONF_PROCESSOR_H

#include "lib/conf/conf.h"

enum conf_processor { CONF_NO_PROCESSOR, CONF_BOUNCES, CONF_COMPLAINTS, CONF_N_PROCESSORS };

/*
 * An address in a list also stands for its forms with a recipient in them (verp-default): bounce-user=host.test@here for
 * bounce@here. A local part alone is one at each of our own names.
 */
enum conf_processor conf_processor_of(const struct conf *c, struct str address);
/* Is there any? */
bool conf_has_processor(const struct conf *c);
/* The <fbl> block, by its number, whose address this is; false: none. */
bool conf_fbl_of(const struct conf *c, struct str address, size_t *fbl);

/* What <email-patterns> of the processor says: CONF_EMAILPATTERNS_…; NULL: nothing. */
const struct conf_set *conf_email_patterns(const struct conf *c, enum conf_processor which);

#endif
