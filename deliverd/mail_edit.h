/*
 * The header section as it is sent: fields left out (remove-header of source and domain), added (include-headers-from,
 * Date at delivery, X-FBLId by which reports know it again) and rewritten (from-domain of VirtualMTA and pool), and the
 * sender of the transaction (mail-from, VERP) and its envelope id. What is signed is what this made; after it nobody
 * changes a byte. The body is not touched, nor read: what lies in a file stays there for sendfile.
 */
#ifndef PH_DELIVERD_MAIL_EDIT_H
#define PH_DELIVERD_MAIL_EDIT_H

#include "deliverd/mail.h"
#include "lib/base/clock.h"
#include "lib/conf/conf.h"
#include "lib/track/track.h"

#define MAIL_MAX_HEADER (512u * 1024) /* of the section, stored and as sent */

struct mail_edit {
	const struct conf *conf;
	const struct conf_set *queue; /* CONF_DOMAIN_… */
	struct str vmta;	      /* that it leaves by, or empty */
	uint64_t id;
	struct wall now;
	const struct track *track; /* by which our mail is known again, or NULL */
};
/* Edits; nothing to be done costs next to nothing. -1 with `why`: it cannot be read, or the section is too large. */
int mail_edit(struct mail *m, const struct mail_edit *how, struct why *why) PH_MUST_CHECK;

#endif
