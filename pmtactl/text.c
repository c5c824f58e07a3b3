#include "pmtactl/text.h"

#include "lib/base/num.h"

typedef void text_fn(const struct tree *t, FILE *out);

static const char *
get(const struct tree *t, const char *name, size_t i, const char *leaf)
{
	return tree_get(t, "%s[%zu].%s", name, i, leaf);
}

/* the columns of PowerMTA's status page */
#define LEFT  "%11s %10s%10s%12s"
#define RIGHT "  %-6s%13s%12s\n"

static void
row_of_traffic(const struct tree *t, FILE *out, const char *title, const char *span)
{
	fprintf(out, "%11s ", title);
	for (int d = 0; d < 2; d++) {
		const char *dir = d == 0 ? "in" : "out";
		fprintf(out, d == 0 ? "%10s" : "%11s",
		    tree_get(t, "status.traffic.%s.%s.rcp", span, dir));
		fprintf(out, "%10s", tree_get(t, "status.traffic.%s.%s.msg", span, dir));
		fprintf(out, "%12s", tree_get(t, "status.traffic.%s.%s.kb", span, dir));
	}
	fputc('\n', out);
}

static void
print_traffic(const struct tree *t, FILE *out)
{
	static const char *const rows[][2] = {{"Total", "total"}, {"Last Hour", "lastHr"},
	    {"Top/Hour", "topPerHr"}, {"Last Min.", "lastMin"}, {"Top/Min.", "topPerMin"}};

	fprintf(
	    out, "    Traffic ------------inbound------------  ------------outbound-----------\n");
	fprintf(
	    out, LEFT "%11s%10s%12s\n", "", "rcpts", "msgs", "kbytes", "rcpts", "msgs", "kbytes");
	for (size_t i = 0; i < countof(rows); i++)
		row_of_traffic(t, out, rows[i][0], rows[i][1]);
}

static void
row_of_conns(const struct tree *t, FILE *out, const char *title, const char *name)
{
	fprintf(out, "%11s ", title);
	fprintf(out, "%10s", tree_get(t, "status.conn.%s.cur", name));
	fprintf(out, "%10s", tree_get(t, "status.conn.%s.top", name));
	fprintf(out, "%12s", tree_get(t, "status.conn.%s.max", name));
}

static void
print_uptime(const struct tree *t, FILE *out)
{
	uint64_t s = 0;

	parse_u64(str_of(tree_get(t, "status.uptime")), 0, UINT64_MAX, &s);
	fprintf(out, "%11s %10s    Started  %s    Uptime %3lu %2lu:%02lu:%02lu\n", "Status",
	    tree_get(t, "status.status"), tree_get(t, "status.startupTime"), s / 86400,
	    s / 3600 % 24, s / 60 % 60, s % 60);
}

static void print_vmtas(const struct tree *t, FILE *out);

static void
print_status(const struct tree *t, FILE *out)
{
	bool is_complete = strcmp(tree_get(t, "status.spool.initPct"), "100") == 0;

	fprintf(out, "%s v%s status on %s on %s\n\n", tree_get(t, "mta.product.name"),
	    tree_get(t, "mta.product.version"), tree_get(t, "mta.fullHostName"),
	    tree_get(t, "status.timeNow"));
	print_traffic(t, out);
	fprintf(out, "\n" LEFT RIGHT, "Connections", "active", "top", "maximum", "Domain", "cached",
	    "pending");
	row_of_conns(t, out, "Inbound", "smtpIn");
	fprintf(out, RIGHT, "Names", tree_get(t, "status.resolver.namesCached"),
	    tree_get(t, "status.resolver.queriesPending"));
	row_of_conns(t, out, "Outbound", "smtpOut");
	fprintf(out, "\n\n" LEFT "  Spool        in use\n", "Queues", "rcpts", "domains", "kbytes");
	fprintf(out, LEFT "  Files %12s\n", "SMTP", tree_get(t, "status.queue.smtp.rcp"),
	    tree_get(t, "status.queue.smtp.dom"), tree_get(t, "status.queue.smtp.kb"),
	    tree_get(t, "status.spool.files.inUse"));
	fprintf(out, "%44s  Init. %12s\n\n", "", is_complete ? "complete" : "reading");
	print_uptime(t, out);
	if (tree_count(t, "vmta") > 0) {
		fputc('\n', out);
		print_vmtas(t, out);
	}
}

static void
print_version(const struct tree *t, FILE *out)
{
	fprintf(out, "%s v%s\n", tree_get(t, "product.name"), tree_get(t, "product.version"));
}

static void
print_mode_events(const struct tree *t, size_t i, FILE *out)
{
	for (size_t k = 0; tree_get(t, "queue[%zu].modeEvent[%zu].text", i, k)[0] != '\0'; k++) {
		fprintf(out, "    %s ", tree_get(t, "queue[%zu].modeEvent[%zu].time", i, k));
		fprintf(out, "mode %s\n", tree_get(t, "queue[%zu].modeEvent[%zu].text", i, k));
	}
}

/* a queue in backoff is marked */
static const char *
state_of(const struct tree *t, size_t i, char text[32])
{
	bool backoff = strcmp(get(t, "queue", i, "mode"), "backoff") == 0;

	snprintf(text, 32, "%.20s%s", get(t, "queue", i, "state"), backoff ? "/B" : "");
	return text;
}

static void
print_rcpt_events(const struct tree *t, size_t i, FILE *out)
{
	if (tree_get(t, "queue[%zu].rcptEvent[0].type", i)[0] == '\0')
		return;
	fprintf(out, "  Recipient Events (deliveries:%s, bounces:%s,",
	    get(t, "queue", i, "deliveries"), get(t, "queue", i, "bounces"));
	fprintf(out, " deferrals:%s)\n", get(t, "queue", i, "deferrals"));
	for (size_t k = 0; tree_get(t, "queue[%zu].rcptEvent[%zu].%s", i, k, "type")[0] != '\0';
	     k++) {
		static const char *const parts[] = {
		    "type", "time", "source", "rcpt", "jobId", "host", "text"};
		for (size_t p = 0; p < countof(parts); p++)
			fprintf(out, "%s%s", p == 0 ? "    " : " | ",
			    tree_get(t, "queue[%zu].rcptEvent[%zu].%s", i, k, parts[p]));
		fputc('\n', out);
	}
}

static void
print_queues(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "queue");
	char st[32];

	fprintf(out, "%-40s %9s %9s %5s %-11s %-19s %s\n", "queue", "#rcpt", "kbytes", "conn", "st",
	    "retry", "last error");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%-40s %9s %9s", get(t, "queue", i, "name"), get(t, "queue", i, "rcp"),
		    get(t, "queue", i, "kb"));
		fprintf(out, " %5s %-11s %-19s", get(t, "queue", i, "conn"), state_of(t, i, st),
		    get(t, "queue", i, "retryTime"));
		fprintf(out, " %s\n", get(t, "queue", i, "lastError"));
		print_mode_events(t, i, out);
		print_rcpt_events(t, i, out);
		for (size_t k = 0; tree_get(t, "queue[%zu].event[%zu].text", i, k)[0] != '\0';
		     k++) {
			fprintf(out, "    %s ", tree_get(t, "queue[%zu].event[%zu].time", i, k));
			fprintf(out, "%s\n", tree_get(t, "queue[%zu].event[%zu].text", i, k));
		}
	}
}

static void
print_domains(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "domain");

	fprintf(out, "%-40s %9s %9s %5s %s\n", "domain", "#rcpt", "kbytes", "conn", "last error");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%-40s %9s %9s", get(t, "domain", i, "name"),
		    get(t, "domain", i, "rcp"), get(t, "domain", i, "kb"));
		fprintf(out, " %5s %s\n", get(t, "domain", i, "conn"),
		    get(t, "domain", i, "lastError"));
	}
}

/* two lines above and two below, which scripts cut off */
static void
print_vmtas(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "vmta");
	uint64_t total = 0, rcpts;

	parse_u64(str_of(tree_get(t, "totalRcp")), 0, UINT64_MAX, &total);
	fprintf(out, "%-40s %9s %9s %8s %9s %5s\n", "name", "domains", "#rcpt", "% total", "kbytes",
	    "conn");
	fprintf(out, "%-40s %9s %9s %8s %9s %5s\n", "----", "-------", "-----", "-------", "------",
	    "----");
	for (size_t i = 0; i < n; i++) {
		rcpts = 0;
		parse_u64(str_of(get(t, "vmta", i, "rcp")), 0, UINT64_MAX, &rcpts);
		fprintf(out, "%-40s %9s %9lu %8.2f", get(t, "vmta", i, "name"),
		    get(t, "vmta", i, "dom"), rcpts,
		    total == 0 ? 0.0 : 100.0 * (double)rcpts / (double)total);
		fprintf(out, " %9s %5s\n", get(t, "vmta", i, "kb"), get(t, "vmta", i, "conn"));
	}
	fputc('\n', out);
}

static void
print_jobs(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "job");

	fprintf(out, "%-40s %9s %9s %s\n", "job-id", "#rcpt", "kbytes", "paused");
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%-40s %9s", get(t, "job", i, "name"), get(t, "job", i, "rcp"));
		fprintf(out, " %9s %s\n", get(t, "job", i, "kb"), get(t, "job", i, "paused"));
	}
}

static void
print_settings_of(const struct tree *t, FILE *out, const char *section, const char *title)
{
	size_t n = tree_count(t, section);

	if (n == 0)
		return;
	fprintf(out, "%s\n\n", title);
	for (size_t i = 0; i < n; i++) {
		const char *file = get(t, section, i, "file");
		fprintf(out, "%-46s %s", get(t, section, i, "name"), get(t, section, i, "value"));
		if (file[0] != '\0') {
			fprintf(out, "    # %s:", file);
			fprintf(out, "%s", get(t, section, i, "line"));
		}
		fputc('\n', out);
	}
	fputc('\n', out);
}

static void
print_settings(const struct tree *t, FILE *out)
{
	print_settings_of(t, out, "vmta", "Virtual MTA Settings");
	print_settings_of(t, out, "queue", "Queue Settings");
}

static void
print_if_there(const struct tree *t, size_t i, const char *what, FILE *out)
{
	const char *value = get(t, "rcpt", i, what);

	if (value[0] != '\0')
		fprintf(out, " %s %s", what, value);
}

static void
print_rcpt(const struct tree *t, size_t i, FILE *out)
{
	fprintf(out, "%s %s", get(t, "rcpt", i, "id"), get(t, "rcpt", i, "rcpt"));
	fprintf(out, " from <%s>", get(t, "rcpt", i, "orig"));
	fprintf(out, " queue %s %s", get(t, "rcpt", i, "queue"), get(t, "rcpt", i, "state"));
	fprintf(out, " attempts %s", get(t, "rcpt", i, "attempts"));
	fprintf(out, " queued %s", get(t, "rcpt", i, "timeQueued"));
	if (get(t, "rcpt", i, "jobId")[0] != '\0')
		fprintf(out, " job %s", get(t, "rcpt", i, "jobId"));
	print_if_there(t, i, "priority", out);
	print_if_there(t, i, "paused", out);
	print_if_there(t, i, "schedule", out);
	fputc('\n', out);
}

/* who looks for what is rare among many waits long: each row is shown when it is there, which its size ends */
static void
print_rcpt_that_came(struct tree *t, const void *ctx)
{
	const struct leaf *last = &t->leaves[t->n - 1];

	if (str_has_suffix(str_of(last->path), STR("].kb"))) {
		tree_make_printable(t);
		print_rcpt(t, tree_count(t, "rcpt") - 1, stdout);
		fflush(stdout);
		tree_clear(t);
	} else if (last->kind == CTL_NO_ROWS)
		tree_clear(t);
}

static void
print_resolve(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "host");

	fprintf(out, "%5s %-40s %s\n", "pref", "host name", "IP addresses");
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%5s %-40s %s\n", get(t, "host", i, "pref"), get(t, "host", i, "name"),
		    get(t, "host", i, "ip[0]"));
}

static void
say(FILE *out, const char *title, const char *value)
{
	if (value[0] != '\0')
		fprintf(out, "  %-12s %s\n", title, value);
}

static void
explain_mode(const struct tree *t, size_t i, FILE *out)
{
	if (strcmp(get(t, "queue", i, "mode"), "backoff") == 0) {
		fprintf(out, "  %-12s backoff since %s", "mode", get(t, "queue", i, "modeSince"));
		if (get(t, "queue", i, "modeUntil")[0] != '\0')
			fprintf(out, " until %s", get(t, "queue", i, "modeUntil"));
		fprintf(out, ": %s", get(t, "queue", i, "modeBy"));
		if (get(t, "queue", i, "modeFile")[0] != '\0') {
			fprintf(out, " (%s", get(t, "queue", i, "modeFile"));
			fprintf(out, " line %s)", get(t, "queue", i, "modeLine"));
		}
		fputc('\n', out);
	}
	say(out, "concurrency", get(t, "queue", i, "concurrency"));
	say(out, "re-routed", get(t, "queue", i, "rerouteTo"));
	for (size_t k = 0; tree_get(t, "queue[%zu].disabledSource[%zu].ip", i, k)[0] != '\0'; k++) {
		fprintf(out, "  %-12s %s", "disabled",
		    tree_get(t, "queue[%zu].disabledSource[%zu].ip", i, k));
		fprintf(
		    out, " since %s", tree_get(t, "queue[%zu].disabledSource[%zu].since", i, k));
		fprintf(
		    out, " until %s", tree_get(t, "queue[%zu].disabledSource[%zu].until", i, k));
		fprintf(out, ": %s\n", tree_get(t, "queue[%zu].disabledSource[%zu].by", i, k));
	}
}

static void
print_sources(const struct tree *t, FILE *out)
{
	size_t n = tree_count(t, "source");

	fprintf(out, "%-40s %-39s %-19s %-19s %s\n", "queue", "source", "since", "until", "reason");
	for (size_t i = 0; i < n; i++) {
		fprintf(
		    out, "%-40s %-39s", get(t, "source", i, "queue"), get(t, "source", i, "ip"));
		fprintf(out, " %-19s %-19s", get(t, "source", i, "since"),
		    get(t, "source", i, "until"));
		fprintf(out, " %s\n", get(t, "source", i, "by"));
	}
}

static void
explain_queue(const struct tree *t, size_t i, FILE *out)
{
	fprintf(out, "%s: ", get(t, "queue", i, "name"));
	fprintf(out, "%s\n", get(t, "queue", i, "why"));
	say(out, "state", get(t, "queue", i, "state"));
	say(out, "limit", get(t, "queue", i, "limit"));
	say(out, "since", get(t, "queue", i, "since"));
	say(out, "until", get(t, "queue", i, "until"));
	say(out, "until", get(t, "queue", i, "wakes"));
	if (get(t, "queue", i, "directive")[0] != '\0') {
		fprintf(out, "  %-12s %s", "by", get(t, "queue", i, "directive"));
		if (get(t, "queue", i, "file")[0] != '\0') {
			fprintf(out, " in %s", get(t, "queue", i, "file"));
			fprintf(out, " line %s\n", get(t, "queue", i, "line"));
		} else
			fprintf(out, " (its default)\n");
	}
	explain_mode(t, i, out);
	fprintf(out, "  %-12s %s ready,", "recipients", get(t, "queue", i, "ready"));
	fprintf(out, " %s deferred,", get(t, "queue", i, "deferred"));
	fprintf(out, " %s held,", get(t, "queue", i, "held"));
	fprintf(out, " %s being sent", get(t, "queue", i, "sending"));
	fprintf(out, " over %s connections\n", get(t, "queue", i, "conn"));
	say(out, "last error", get(t, "queue", i, "lastError"));
}

static void
print_suppressed(const struct tree *t, FILE *out)
{
	static const char *const leaves[] = {
	    "list", "scope", "since", "until", "source", "category", "vmta", "job", "event"};
	size_t n = tree_count(t, "suppressed");

	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s%s is suppressed\n", i == 0 ? "" : "\n",
		    get(t, "suppressed", i, "address"));
		for (size_t k = 0; k < countof(leaves); k++)
			if (get(t, "suppressed", i, leaves[k])[0] != '\0')
				fprintf(out, "  %-10s%s\n", leaves[k],
				    get(t, "suppressed", i, leaves[k]));
	}
}

static void
print_explain(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < tree_count(t, "rcpt"); i++) {
		fprintf(out, "%s in %s: ", get(t, "rcpt", i, "id"), get(t, "rcpt", i, "queue"));
		fprintf(out, "%s\n", get(t, "rcpt", i, "why"));
		say(out, "attempts", get(t, "rcpt", i, "attempts"));
		say(out, "queued", get(t, "rcpt", i, "timeQueued"));
		say(out, "until", get(t, "rcpt", i, "until"));
		say(out, "category", get(t, "rcpt", i, "category"));
		if (get(t, "rcpt", i, "file")[0] != '\0') {
			fprintf(out, "  %-10s%s", "line", get(t, "rcpt", i, "file"));
			fprintf(out, ":%s\n", get(t, "rcpt", i, "line"));
		}
	}
	for (size_t i = 0; i < tree_count(t, "queue"); i++)
		explain_queue(t, i, out);
	print_suppressed(t, out);
}

static void
print_vmta_settings(const struct tree *t, FILE *out)
{
	print_settings_of(t, out, "vmta", "Virtual MTA Settings");
	fprintf(out, "Source Hosts\n\n");
	for (size_t i = 0; i < tree_count(t, "source"); i++)
		fprintf(
		    out, "  %-39s %s\n", get(t, "source", i, "ip"), get(t, "source", i, "host"));
	fprintf(out, "\nDomain Keys\n\n");
	for (size_t i = 0; i < tree_count(t, "key"); i++)
		fprintf(out, "  %s\n", get(t, "key", i, "line"));
}

static void
print_alerts(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < tree_count(t, "alert"); i++) {
		fprintf(out, "%-6s %-8s %-15s", get(t, "alert", i, "state"),
		    get(t, "alert", i, "level"), get(t, "alert", i, "kind"));
		fprintf(out, " since %s", get(t, "alert", i, "since"));
		if (get(t, "alert", i, "ended")[0] != '\0')
			fprintf(out, " until %s", get(t, "alert", i, "ended"));
		fprintf(out, " %s:", get(t, "alert", i, "subject"));
		fprintf(out, " %s\n", get(t, "alert", i, "text"));
	}
}

static void
print_changes(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < tree_count(t, "change"); i++) {
		const char *queue = get(t, "change", i, "queue"),
			   *source = get(t, "change", i, "source");
		fprintf(out, "%s %-8s%s%s%s%s", get(t, "change", i, "time"),
		    get(t, "change", i, "type"), queue, queue[0] == '\0' ? "" : " ", source,
		    source[0] == '\0' ? "" : " ");
		fprintf(out, "%s\n", get(t, "change", i, "text"));
	}
}

static void
print_rates(const struct tree *t, FILE *out)
{
	fprintf(out, "%-5s%-30s %-20s %9s %10s %9s %9s\n", "of", "name", "category", "count",
	    "delivered", "per cent", "allowed");
	for (size_t i = 0; i < tree_count(t, "rate"); i++) {
		fprintf(out, "%-5s%-30s %-20s", get(t, "rate", i, "of"), get(t, "rate", i, "name"),
		    get(t, "rate", i, "category"));
		fprintf(
		    out, " %9s %10s", get(t, "rate", i, "count"), get(t, "rate", i, "delivered"));
		fprintf(out, " %9s %9s%s\n", get(t, "rate", i, "percent"),
		    get(t, "rate", i, "allowed"),
		    strcmp(get(t, "rate", i, "alert"), "yes") == 0 ? "  alert" : "");
	}
}

static void
print_lines(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < tree_count(t, "line"); i++)
		fprintf(out, "%s\n", tree_get(t, "line[%zu]", i));
}

static void
print_plain(const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < t->n; i++)
		fprintf(out, "%-24s %s\n", t->leaves[i].path, t->leaves[i].value);
}

static void
print_classify(const struct tree *t, FILE *out)
{
	const char *file = tree_get(t, "classify.file"), *action = tree_get(t, "classify.action");

	fprintf(out, "category  %s\n", tree_get(t, "classify.category"));
	fprintf(out, "verdict   %s\n", tree_get(t, "classify.verdict"));
	fprintf(out, "status    %s\n", tree_get(t, "classify.status"));
	if (file[0] != '\0') {
		fprintf(out, "rule      %s\n", tree_get(t, "classify.rule"));
		fprintf(out, "line      %s:%s\n", file, tree_get(t, "classify.line"));
	}
	if (action[0] != '\0') {
		fprintf(out, "action    %s (%s:", action, tree_get(t, "classify.actionFile"));
		fprintf(out, "%s)\n", tree_get(t, "classify.actionLine"));
	}
}

/* what is left of the answer when its rows were shown, or when the sentence at its end says all */
static void
print_nothing(const struct tree *t, FILE *out)
{
}

static const struct {
	enum ctl_command command;
	text_fn *fn;
} rows[] = {
    {CTL_LIST, print_nothing},
    {CTL_DELETE, print_nothing},
    {CTL_SET_PRIORITY, print_nothing},
    {CTL_SHOW_STATUS, print_status},
    {CTL_SHOW_QUEUES, print_queues},
    {CTL_SHOW_TOPQUEUES, print_queues},
    {CTL_SHOW_DOMAINS, print_domains},
    {CTL_SHOW_TOPDOMAINS, print_domains},
    {CTL_SHOW_VMTAS, print_vmtas},
    {CTL_SHOW_JOBS, print_jobs},
    {CTL_SHOW_SETTINGS, print_settings},
    {CTL_SHOW_VERSION, print_version},
    {CTL_SHOW_VMTA_SETTINGS, print_vmta_settings},
    {CTL_RESOLVE, print_resolve},
    {CTL_EXPLAIN, print_explain},
    {CTL_SHOW_DISABLED_SOURCES, print_sources},
    {CTL_SHOW_METRICS, print_lines},
    {CTL_SHOW_SUPPRESSED, print_suppressed},
    {CTL_CLASSIFY, print_classify},
    {CTL_SHOW_ALERTS, print_alerts},
    {CTL_SHOW_RATES, print_rates},
    {CTL_SHOW_CHANGES, print_changes},
};

client_gathered *
text_of_rows(enum ctl_command command)
{
	return command == CTL_LIST ? print_rcpt_that_came : NULL;
}

void
text_print(enum ctl_command command, const struct tree *t, FILE *out)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].command == command) {
			rows[i].fn(t, out);
			return;
		}
	}
	print_plain(t, out);
}
