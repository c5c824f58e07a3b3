#include "master/watch.h"

enum watch_verdict
watch_tick(struct watch *w, bool is_starting)
{
	if (is_starting)
		return ++w->silent >= WATCH_START_TICKS ? WATCH_HUNG : WATCH_FINE;
	if (!w->is_asked) {
		w->is_asked = true;
		w->silent = 0;
		return WATCH_ASK;
	}
	return ++w->silent >= WATCH_SILENT_TICKS ? WATCH_HUNG : WATCH_FINE;
}

void
watch_heard(struct watch *w)
{
	*w = (struct watch){0};
}
