/*
 * One line an event: `level daemon event key=value …`. Until log_to_fd() is called, lines go to standard error.
 * A library never logs: it returns a `struct why`, and the owner of the decision logs it. No secrets, ever.
 */
#ifndef PH_BASE_LOG_H
#define PH_BASE_LOG_H

#include "lib/base/str.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `name` (borrowed for ever) is the daemon's. Lines above `level` are dropped. */
void log_init(const char *name, enum log_level level);
/* From now on lines go to this descriptor, each with one write. Borrows. With_time: ISO time in front. */
void log_to_fd(int fd, bool with_time);
/* Lines go to standard error as well (a server in the foreground); no effect while that is the only place. */
void log_also_to_stderr(bool also);

void log_error(const char *fmt, ...) PH_PRINTF(1, 2); /* asks a person to act */
void log_warn(const char *fmt, ...) PH_PRINTF(1, 2);  /* degraded, heals itself */
void log_info(const char *fmt, ...) PH_PRINTF(1, 2);  /* operations */
void log_debug(const char *fmt, ...) PH_PRINTF(1, 2);

/*
 * Text from outside for a log line: quoted, non-printing bytes as \xHH, cut at 200 bytes. Returns one of eight
 * rotating static buffers: for use inside one log call only.
 */
const char *log_quote(struct str s);

/* The world is wrong: logs an error and exits 75; the master restarts with back-off. */
void fatal(const char *fmt, ...) PH_PRINTF(1, 2) PH_NORETURN;
/* The configuration is wrong: exits 78; the master waits for a new configuration. */
void fatal_conf(const char *fmt, ...) PH_PRINTF(1, 2) PH_NORETURN;
/* We are wrong: logs with a backtrace and aborts. */
void panic(const char *fmt, ...) PH_PRINTF(1, 2) PH_NORETURN;

#define EXIT_WORLD 75
#define EXIT_CONF  78
/* All is well, but it must begin anew: at once. */
#define EXIT_AGAIN 79

#define ph_assert(cond)                                                                            \
	do {                                                                                       \
		if (!(cond))                                                                       \
			panic("%s:%d: broken invariant: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

#endif
