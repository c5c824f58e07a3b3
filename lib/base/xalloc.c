#include "lib/base/xalloc.h"

#include <stdarg.h>

#include "lib/base/log.h"

void *
xmalloc(size_t size)
{
	void *p = malloc(size == 0 ? 1 : size);

	if (p == NULL)
		fatal("out of memory (%zu bytes)", size);
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		fatal("out of memory (%zu times %zu bytes)", n, size);
	return p;
}

void *
xreallocarray(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		fatal("out of memory (%zu times %zu bytes)", n, size);
	return p;
}

char *
xstrdup(const char *s)
{
	return xstrdup_str(str_of(s));
}

char *
xstrdup_str(struct str s)
{
	char *p = xmalloc(s.len + 1);

	str_copy(p, s.len + 1, s);
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *p = NULL;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0 || p == NULL)
		fatal("out of memory (formatting)");
	return p;
}
