/* An answer's leaves: path and value, one message each. */
#include "queued/control/control.h"

#include <stdarg.h>

static void PH_PRINTF(4, 0)
    leaf(struct control *c, enum ctl_value kind, struct str value, const char *fmt, va_list ap)
{
	struct ipc_ctl_field f = {.kind = (uint32_t)kind};
	char path[256];
	struct str texts[2];
	int n = vsnprintf(path, sizeof path, fmt, ap);

	texts[0] = str_from(path, PH_MIN((size_t)PH_MAX(n, 0), sizeof path - 1));
	texts[1] = str_sub(value, 0, 4096);
	ipc_send(c->chan, IPC_CTL_FIELD, &f, texts, -1);
}

void
control_text(struct control *c, struct str value, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	leaf(c, CTL_TEXT, value, path, ap);
	va_end(ap);
}

void
control_number(struct control *c, uint64_t value, const char *path, ...)
{
	char text[24];
	va_list ap;
	int n = snprintf(text, sizeof text, "%lu", value);

	va_start(ap, path);
	leaf(c, CTL_NUMBER, str_from(text, (size_t)n), path, ap);
	va_end(ap);
}

void
control_bool(struct control *c, bool value, const char *path, ...)
{
	va_list ap;

	va_start(ap, path);
	leaf(c, CTL_BOOL, value ? STR("yes") : STR("no"), path, ap);
	va_end(ap);
}

void
control_no_rows(struct control *c, const char *name)
{
	struct ipc_ctl_field f = {.kind = CTL_NO_ROWS};
	struct str texts[2] = {str_of(name), STR("")};

	ipc_send(c->chan, IPC_CTL_FIELD, &f, texts, -1);
}

void
control_progress(struct control *c, uint32_t per_cent)
{
	struct ipc_ctl_field f = {.kind = CTL_PROGRESS};
	char text[16];
	int n = snprintf(text, sizeof text, "%u", per_cent);
	struct str texts[2] = {STR(""), str_from(text, (size_t)n)};

	ipc_send(c->chan, IPC_CTL_FIELD, &f, texts, -1);
}
