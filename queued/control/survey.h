/*
 * What statistics tell of all queues together: how many are in which state, which limits hold them, the largest
 * domains and VirtualMTAs, how old what waits is. It walks a bounded piece of the tables at a time and writes the
 * result onto the statistics page when it has been through, so no number of queues makes a turn of the loop long.
 */
#ifndef PH_QUEUED_CONTROL_SURVEY_H
#define PH_QUEUED_CONTROL_SURVEY_H

#include "queued/queue.h"

/* Begins, and goes on for ever. */
void survey_start(void);
/* The age of the oldest queued message in seconds when it was last looked; 0: none. */
uint32_t survey_oldest_s(void);

#endif
