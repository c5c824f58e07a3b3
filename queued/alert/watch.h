/*
 * What is looked at every two seconds for alerts: room on the spool's disk, the age of what is queued, certificates
 * that run out, daemons that died, accounting that cannot be written.
 */
#ifndef PH_QUEUED_ALERT_WATCH_H
#define PH_QUEUED_ALERT_WATCH_H

void alert_watch_start(void);

#endif
