/* What a report says of a recipient, for the rules that sort failures. */
#include "lib/processor/processor.h"

struct failure
processor_failure_of(const struct remote_report *r, const struct remote_rcpt *rc)
{
	return (struct failure){.code = rc->code,
	    .enh = {rc->enh[0], rc->enh[1], rc->enh[2]},
	    .text = str_of(rc->diag),
	    .mta = str_of(rc->mta),
	    .around = buf_str(&r->human)};
}
