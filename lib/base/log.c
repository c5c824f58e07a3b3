#include "lib/base/log.h"

#include <errno.h>
#include <execinfo.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define QUOTE_MAX      200

static struct {
	const char *name;
	enum log_level level;
	int fd;
	bool with_time;
	bool also_stderr;
} logger = {.name = "posthaste", .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void
log_init(const char *name, enum log_level level)
{
	logger.name = name;
	logger.level = level;
}

void
log_to_fd(int fd, bool with_time)
{
	logger.fd = fd;
	logger.with_time = with_time;
}

void
log_also_to_stderr(bool also)
{
	logger.also_stderr = also;
}

static size_t
put_time(char *line, size_t size)
{
	struct timespec ts;
	struct tm tm;

	if (clock_gettime(CLOCK_REALTIME, &ts) == -1 || localtime_r(&ts.tv_sec, &tm) == NULL)
		return 0;
	return strftime(line, size, "%Y-%m-%d %H:%M:%S ", &tm);
}

/* What is not one line's text cannot become another line, whoever forgot to quote it. */
static void
flatten(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 127)
			line[i] = '?';
}

static void
put_line(int fd, const char *line, size_t len)
{
	if (write(fd, line, len) == -1)
		return; /* there is nowhere left to say it */
}

static void PH_PRINTF(2, 0) emit(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, m;
	size_t n = 0;

	if (level > logger.level)
		return;
	if (logger.with_time)
		n = put_time(line, sizeof line);
	m = snprintf(line + n, sizeof line - n, "%s %s ", level_names[level], logger.name);
	n += (size_t)PH_MAX(m, 0);
	errno = saved;
	m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
	n = PH_MIN(n + (size_t)PH_MAX(m, 0), sizeof line - 2);
	flatten(line, n);
	line[n++] = '\n';
	put_line(logger.fd, line, n);
	if (logger.also_stderr && logger.fd != STDERR_FILENO)
		put_line(STDERR_FILENO, line, n);
	errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		emit(level, fmt, ap);                                                              \
		va_end(ap);                                                                        \
	}
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

const char *
log_quote(struct str s)
{
	static char ring[8][QUOTE_MAX * 4 + 8];
	static unsigned next;
	char *out = ring[next++ % countof(ring)];
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < s.len && i < QUOTE_MAX; i++) {
		char c = s.p[i];
		if (ascii_is_print(c) && c != '"' && c != '\\') {
			out[n++] = c;
			continue;
		}
		snprintf(out + n, 5, "\\x%02x", (unsigned char)c);
		n += 4;
	}
	if (s.len > QUOTE_MAX) {
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	_exit(EXIT_WORLD);
}

void
fatal_conf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	_exit(EXIT_CONF);
}

void
panic(const char *fmt, ...)
{
	void *frames[32];
	va_list ap;

	va_start(ap, fmt);
	emit(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	backtrace_symbols_fd(frames, backtrace(frames, countof(frames)), logger.fd);
	abort();
}
