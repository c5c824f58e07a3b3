/*
 * Who is told of new alerts: the addresses of alert-notify by mail, and alert-command, which gets the text on its
 * standard input. What is new is gathered and told at most once a minute, so no storm of alerts makes a storm of mail.
 */
#ifndef PH_QUEUED_ALERT_TELL_H
#define PH_QUEUED_ALERT_TELL_H

#include "lib/base/str.h"

/* One line. */
void alert_tell_new(struct str line, bool is_mailed);

#endif
