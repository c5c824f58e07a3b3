#include "master/backoff.h"

int64_t
backoff_next_ms(struct backoff *b, int64_t ran_ms)
{
	if (b->last_ms == 0 || ran_ms > BACKOFF_MAX_MS)
		b->last_ms = BACKOFF_FIRST_MS;
	else
		b->last_ms = PH_MIN(b->last_ms * 2, (int64_t)BACKOFF_MAX_MS);
	return b->last_ms;
}
