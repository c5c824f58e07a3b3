/*
 * cold-virtual-mta: of the mail that clients send over SMTP and that chose a VirtualMTA with cold ones (of its own,
 * or of a pool it is a member of), the first messages of a day to each queue go over these, in turn. How many is
 * what max-cold-virtual-mta-msg says for the day since that VirtualMTA began with that queue's domain. A day begins at
 * local midnight. Which message went where is kept in spool/state/limits for the time a message may live.
 */
#ifndef PH_QUEUED_LIMIT_COLD_H
#define PH_QUEUED_LIMIT_COLD_H

#include "lib/spool/envelope.h"

/*
 * The VirtualMTA for a recipient's domain when the message has chosen `vmta`: that one, or a cold one. `is_new`: it has
 * just been accepted; otherwise what was chosen for it before holds.
 */
struct str cold_choose(
    const struct envelope *e, struct str domain, struct str vmta, uint64_t id, bool is_new);

/* From and for the file. */
void cold_line(struct str line);
void cold_fill(void);
/* The file was not to be believed: nothing more goes to cold ones today. */
void cold_unknown(void);

#endif
