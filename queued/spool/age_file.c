#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/ev/ev.h"
#include "queued/spool/age.h"

static struct {
	struct age age;
	struct ev_timer next;
	int fd; /* -1: it cannot be kept, which was said */
} own = {.fd = -1};

int64_t
age_of_ns(struct wall w)
{
	return age_ns(&own.age, ev_wall(), w);
}

static void
say(int64_t unseen_ns)
{
	long seconds = (long)(unseen_ns / NS_PER_SEC);

	if (unseen_ns > 0)
		log_warn("event=clock-leap seconds=%ld text=\"the clock stands so far beyond what "
			 "was seen "
			 "to pass; this time does not count for the age of queued mail\"",
		    seconds);
	else if (unseen_ns < 0)
		log_warn("event=clock-back seconds=%ld text=\"the clock was set back\"", -seconds);
}

static void
keep(void)
{
	char text[AGE_RECORD_SIZE];

	if (own.fd == -1)
		return;
	age_print(&own.age, text);
	if (pwrite(own.fd, text, sizeof text, 0) != sizeof text)
		log_debug("event=clock-not-kept text=\"%s\"", strerrordesc_np(errno));
}

static void
on_next(struct ev_timer *t)
{
	say(age_tick(&own.age, ev_wall(), ev_now()));
	keep();
	ev_timer_in_ms(t, AGE_TICK_MS);
}

/* a new file that was not flushed before the power went is empty or zeros */
static bool
is_empty(const char *text, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] != '\0')
			return false;
	}
	return true;
}

static void
take_up(void)
{
	char text[AGE_RECORD_SIZE];
	ssize_t n = pread(own.fd, text, sizeof text, 0);

	if (!is_empty(text, n) && !age_parse(&own.age, str_from(text, (size_t)n)))
		log_error("event=clock-unreadable text=\"state/clock is not of its form and is "
			  "begun anew\"");
}

void
age_start(int spool_fd)
{
	if (mkdirat(spool_fd, "state", 0700) == -1 && errno != EEXIST)
		log_debug("state: %s", strerrordesc_np(errno));
	own.fd = open_plain(spool_fd, "state/clock", O_RDWR | O_CREAT, 0600);
	if (own.fd == -1)
		log_error("event=clock-not-kept text=\"state/clock: %s\"", strerrordesc_np(errno));
	else
		take_up();
	say(age_begin(&own.age, ev_wall(), ev_now()));
	keep();
	ev_timer_init(&own.next, on_next);
	ev_timer_in_ms(&own.next, AGE_TICK_MS);
}

void
age_stop(void)
{
	ev_timer_stop(&own.next);
	age_tick(&own.age, ev_wall(), ev_now());
	keep();
}
