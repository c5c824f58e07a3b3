#include "lib/base/why.h"

#include <errno.h>
#include <stdarg.h>

int
why_set(struct why *why, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return -1;
	*why = (struct why){0};
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	return -1;
}

int
why_errno(struct why *why, const char *fmt, ...)
{
	int saved = errno;
	size_t n;
	va_list ap;

	if (why == NULL)
		return -1;
	*why = (struct why){0};
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	n = strlen(why->text);
	snprintf(why->text + n, sizeof why->text - n, ": %s", strerrordesc_np(saved));
	errno = saved;
	return -1;
}

int
why_smtp(struct why *why, int code, int a, int b, int c, const char *fmt, ...)
{
	va_list ap;

	if (why == NULL)
		return -1;
	*why =
	    (struct why){.smtp_code = (uint16_t)code, .enh = {(uint8_t)a, (uint8_t)b, (uint8_t)c}};
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	return -1;
}
