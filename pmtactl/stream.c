#include "pmtactl/stream.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/xalloc.h"

static const char *const names[8] = {
    "type", "queue", "rcpt", "orig", "jobId", "source", "host", "text"};

static bool
is_coloured(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0');
}

static const char *
colour_of(struct str kind)
{
	static const struct {
		const char *kind, *colour;
	} rows[] = {{"delivered", "\033[32m"}, {"bounced", "\033[31m"}, {"expired", "\033[31m"},
	    {"deferred", "\033[33m"}, {"alert", "\033[1;31m"}, {"mode", "\033[35m"},
	    {"source", "\033[35m"}};

	for (size_t i = 0; i < countof(rows); i++) {
		if (str_eq(kind, str_of(rows[i].kind)))
			return rows[i].colour;
	}
	return "";
}

static const char *
time_of(int64_t ns, char text[32])
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;

	text[0] = '\0';
	if (localtime_r(&t, &tm) != NULL)
		strftime(text, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return text;
}

static void
print_text(const struct tree *t, bool is_trace)
{
	const char *kind = tree_get(t, "event.type"),
		   *colour = is_coloured() ? colour_of(str_of(kind)) : "";

	printf("%s ", tree_get(t, "event.time"));
	if (is_trace) {
		printf("%s\n", tree_get(t, "event.text"));
		return;
	}
	printf("%s%-10s%s", colour, kind, colour[0] == '\0' ? "" : "\033[0m");
	for (size_t i = 1; i < countof(names); i++) {
		const char *value = tree_get(t, "event.%s", names[i]);
		if (value[0] == '\0')
			continue;
		printf(i == 3	? " from <%s>"
		       : i == 4 ? " job %s"
		       : i == 7 ? " | %s"
				: " %s",
		    value);
	}
	putchar('\n');
}

static void
add(struct tree *t, const char *name, struct str value, enum ctl_value kind)
{
	char path[32];

	snprintf(path, sizeof path, "event.%s", name);
	if (value.len > 0 && tree_add(t, str_of(path), value, kind) == -1)
		return;
}

bool
stream_print(const struct ipc_ctl_event *head, const struct str texts[8], const void *ctx)
{
	const struct options *o = ctx;
	struct tree t;
	char when[32], dropped[16];
	int n = snprintf(dropped, sizeof dropped, "%u", head->n_dropped);

	tree_init(&t);
	add(&t, "time", str_of(time_of(head->when_ns, when)), CTL_TEXT);
	for (size_t i = 0; i < countof(names); i++)
		add(&t, names[i], texts[i], CTL_TEXT);
	if (head->n_dropped > 0)
		add(&t, "dropped", str_from(dropped, (size_t)n), CTL_NUMBER);
	if (o->form == FORM_JSON)
		tree_print_json(&t, stdout);
	else if (o->form == FORM_XML)
		tree_print_xml(&t, stdout);
	else {
		tree_make_printable(&t);
		if (o->form == FORM_DOM)
			tree_print_dom(&t, stdout);
		else if (head->n_dropped > 0)
			printf("(%u events were lost: too many at once)\n", head->n_dropped);
		if (o->form == FORM_TEXT)
			print_text(&t, o->row->command == CTL_TRACE);
	}
	tree_clear(&t);
	return fflush(stdout) == 0;
}
