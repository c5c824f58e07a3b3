/*
 * The commands of the control socket, one function each; see the table in control.c.
 */
#ifndef PH_QUEUED_CONTROL_INT_H
#define PH_QUEUED_CONTROL_INT_H

#include "queued/control.h"
#include "queued/queue.h"

typedef void control_fn(struct control *c);

control_fn control_show_status, control_show_queues, control_show_domains, control_show_vmtas, control_show_jobs,
    control_show_settings, control_show_version, control_list, control_cat, control_explain, control_delete,
    control_schedule, control_pause_queue, control_resume_queue, control_pause_job, control_resume_job,
    control_pause_domain, control_resume_domain, control_hold, control_release, control_resolve,
    control_clear_dnscache, control_reload, control_rotate_log, control_rotate_acct, control_reset_counters,
    control_stop, control_ledger;

/* "2026-11-21 09:00:00" in local time into text[32]; "" for 0 */
struct str control_time(struct wall w, char text[32]);
/* The selectors of list and delete. */
struct selection {
	struct control *c;
	struct str	queue, orig, rcpt, job, envid;
	int64_t		older_ms;
	bool		needs_envelope;
};
void selection_init(struct selection *s, struct control *c);
bool selection_is_empty(const struct selection *s);
/* Does the recipient match? Reads the envelope where a selector needs it; *address is then set (static). */
bool selection_has(struct selection *s, struct queue *q, uint32_t rcpt, struct str *address, struct str *sender);

#endif
