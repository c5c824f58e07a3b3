#include "pmtactl/top.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "pmtactl/client.h"

#define FIRST_MS     250
#define EVERY_MS     2000
#define MAX_ROWS     12 /* unless told otherwise */
#define MAX_ALERTS   5
#define NAME_COLUMNS 32

/* one look; order as in `questions` */
enum { STATUS, LEDGER, DOMAINS, QUEUES, ALERTS, N_ANSWERS };
struct look {
	int64_t ns;
	struct tree t[N_ANSWERS];
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		return 0;
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void
look_clear(struct look *l)
{
	for (size_t i = 0; i < N_ANSWERS; i++)
		tree_clear(&l->t[i]);
}

static int
look_take(const char *path, uint32_t max, struct look *l, struct why *why)
{
	static const enum ctl_command questions[N_ANSWERS] = {[STATUS] = CTL_SHOW_STATUS,
	    [LEDGER] = CTL_LEDGER,
	    [DOMAINS] = CTL_SHOW_TOPDOMAINS,
	    [QUEUES] = CTL_SHOW_TOPQUEUES,
	    [ALERTS] = CTL_SHOW_ALERTS};
	struct str args[ARG_MAX];
	int r = 0;

	for (size_t i = 0; i < ARG_MAX; i++)
		args[i] = STR("");
	args[ARG_FLAGS] = STR("no-rcpt-events");
	for (size_t i = 0; i < N_ANSWERS; i++)
		tree_init(&l->t[i]);
	for (size_t i = 0; i < N_ANSWERS && r == 0; i++)
		r = client_ask(&(struct question){.socket_path = path,
				   .command = questions[i],
				   .args = args,
				   .max = i == ALERTS ? MAX_ALERTS : max},
		    &l->t[i], why);
	l->ns = now_ns();
	if (r == -1)
		look_clear(l);
	return r;
}

/* ---- one answer of two looks ---- */

struct between {
	const struct look *before, *now;
	struct tree *out;
};

static uint64_t
number(const char *text)
{
	uint64_t v = 0;

	(void)parse_u64(str_of(text), 0, UINT64_MAX, &v);
	return v;
}

static void PH_PRINTF(4, 5)
    put(struct tree *t, enum ctl_value kind, const char *value, const char *path, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, path);
	vsnprintf(text, sizeof text, path, ap);
	va_end(ap);
	if (tree_add(t, str_of(text), str_of(value), kind) == -1)
		return; /* its bound is far above what is asked for */
}

/* a second's, with one digit behind the point */
static const char *
rate(const struct between *b, const char *now, const char *before, char text[32])
{
	uint64_t n = number(now), old = number(before), tenths = 0;
	int64_t ms = (b->now->ns - b->before->ns) / NS_PER_MS;

	if (n > old && ms > 0)
		tenths = (n - old) * 10000 / (uint64_t)ms;
	snprintf(text, 32, "%lu.%lu", tenths / 10, tenths % 10);
	return text;
}

static void
put_rates(const struct between *b)
{
	static const char *const names[] = {
	    "accepted", "delivered", "bounced", "expired", "deleted"};
	char text[32];

	for (size_t i = 0; i < countof(names); i++)
		put(b->out, CTL_NUMBER,
		    rate(b, tree_get(&b->now->t[LEDGER], "ledger.%s", names[i]),
			tree_get(&b->before->t[LEDGER], "ledger.%s", names[i]), text),
		    "perSecond.%s", names[i]);
}

static void
put_copies(const struct between *b)
{
	static const struct {
		const char *path, *as;
		enum ctl_value kind;
	} rows[] = {{"mta.product.version", "version", CTL_TEXT},
	    {"mta.fullHostName", "host", CTL_TEXT}, {"status.timeNow", "time", CTL_TEXT},
	    {"status.status", "status", CTL_TEXT}, {"status.uptime", "uptime", CTL_NUMBER},
	    {"status.queue.smtp.rcp", "queued", CTL_NUMBER},
	    {"status.queue.smtp.dom", "queues", CTL_NUMBER},
	    {"status.conn.smtpIn.cur", "connectionsIn", CTL_NUMBER},
	    {"status.conn.smtpOut.cur", "connectionsOut", CTL_NUMBER}};

	for (size_t i = 0; i < countof(rows); i++)
		put(b->out, rows[i].kind, tree_get(&b->now->t[STATUS], "%s", rows[i].path), "%s",
		    rows[i].as);
}

/* the row of that name a moment ago; its number, or n of them */
static size_t
find(const struct tree *t, const char *list, const char *name)
{
	size_t n = tree_count(t, list), i = 0;

	while (i < n && strcmp(tree_get(t, "%s[%zu].name", list, i), name) != 0)
		i++;
	return i;
}

static void
put_row(const struct between *b, int answer, const char *list, const char *as, size_t i)
{
	static const struct {
		const char *name;
		enum ctl_value kind;
	} copied[] = {{"name", CTL_TEXT}, {"rcp", CTL_NUMBER}, {"conn", CTL_NUMBER},
	    {"state", CTL_TEXT}, {"mode", CTL_TEXT}, {"lastError", CTL_TEXT}};
	static const char *const counted[] = {"deliveries", "bounces", "deferrals"};
	const struct tree *now = &b->now->t[answer], *before = &b->before->t[answer];
	size_t old = find(before, list, tree_get(now, "%s[%zu].name", list, i));
	char text[32];

	for (size_t k = 0; k < countof(copied); k++) {
		const char *value = tree_get(now, "%s[%zu].%s", list, i, copied[k].name);
		if (value[0] != '\0' || k == 0)
			put(b->out, copied[k].kind, value, "%s[%zu].%s", as, i, copied[k].name);
	}
	for (size_t k = 0; k < countof(counted); k++) {
		const char *n = tree_get(now, "%s[%zu].%s", list, i, counted[k]);
		const char *was = old == tree_count(before, list)
				      ? n
				      : tree_get(before, "%s[%zu].%s", list, old, counted[k]);
		put(b->out, CTL_NUMBER, rate(b, n, was, text), "%s[%zu].%sPerSecond", as, i,
		    counted[k]);
	}
}

static void
put_rows(const struct between *b, int answer, const char *list, const char *as)
{
	size_t n = tree_count(&b->now->t[answer], list);

	for (size_t i = 0; i < n; i++)
		put_row(b, answer, list, as, i);
	if (n == 0)
		put(b->out, CTL_NO_ROWS, "", "%s", as);
}

static void
put_alerts(const struct between *b)
{
	static const char *const names[] = {"kind", "level", "subject", "text", "since"};
	const struct tree *t = &b->now->t[ALERTS];
	size_t n = 0;

	/* those that have ended come behind */
	for (; n < tree_count(t, "alert"); n++) {
		if (strcmp(tree_get(t, "alert[%zu].state", n), "raised") != 0)
			break;
		for (size_t k = 0; k < countof(names); k++)
			put(b->out, CTL_TEXT, tree_get(t, "alert[%zu].%s", n, names[k]),
			    "alert[%zu].%s", n, names[k]);
	}
	if (n == 0)
		put(b->out, CTL_NO_ROWS, "", "alert");
}

static void
compose(const struct look *before, const struct look *now, struct tree *out)
{
	struct between b = {before, now, out};

	tree_init(out);
	put_copies(&b);
	put_rates(&b);
	put_rows(&b, DOMAINS, "domain", "provider");
	put_rows(&b, QUEUES, "queue", "queue");
	put_alerts(&b);
	out->ok = true;
	out->message = xstrdup("");
}

/* ---- for people ---- */

static void
print_head(const struct tree *t, FILE *out)
{
	uint64_t up = number(tree_get(t, "uptime"));

	fprintf(out, "Posthaste v%s on %s, %s for %lu days %02lu:%02lu:%02lu, %s\n",
	    tree_get(t, "version"), tree_get(t, "host"), tree_get(t, "status"), up / 86400,
	    up / 3600 % 24, up / 60 % 60, up % 60, tree_get(t, "time"));
	fprintf(out, "Recipients   %s queued in %s queues; connections %s in, %s out\n",
	    tree_get(t, "queued"), tree_get(t, "queues"), tree_get(t, "connectionsIn"),
	    tree_get(t, "connectionsOut"));
	fprintf(out, "Per second   accepted %s, delivered %s, bounced %s, expired %s, deleted %s\n",
	    tree_get(t, "perSecond.accepted"), tree_get(t, "perSecond.delivered"),
	    tree_get(t, "perSecond.bounced"), tree_get(t, "perSecond.expired"),
	    tree_get(t, "perSecond.deleted"));
}

static void
print_rows(const struct tree *t, const char *list, const char *title, FILE *out)
{
	fprintf(out, "\n%-*s %9s %6s %9s %9s %9s  %s\n", NAME_COLUMNS, title, "rcpts", "conns",
	    "sent/s", "bounced/s", "deferred/s", "state, last error");
	for (size_t i = 0; i < tree_count(t, list); i++) {
		const char *state = tree_get(t, "%s[%zu].state", list, i);
		bool is_slow = strcmp(tree_get(t, "%s[%zu].mode", list, i), "backoff") == 0;
		fprintf(out, "%-*.*s %9s %6s", NAME_COLUMNS, NAME_COLUMNS,
		    tree_get(t, "%s[%zu].name", list, i), tree_get(t, "%s[%zu].rcp", list, i),
		    tree_get(t, "%s[%zu].conn", list, i));
		fprintf(out, " %9s %9s %10s ", tree_get(t, "%s[%zu].deliveriesPerSecond", list, i),
		    tree_get(t, "%s[%zu].bouncesPerSecond", list, i),
		    tree_get(t, "%s[%zu].deferralsPerSecond", list, i));
		fprintf(out, "%s%s%s %s\n", state[0] == '\0' ? "" : " ", state, is_slow ? "/B" : "",
		    tree_get(t, "%s[%zu].lastError", list, i));
	}
}

void
top_print(const struct tree *t, FILE *out)
{
	print_head(t, out);
	print_rows(t, "provider", "PROVIDER", out);
	print_rows(t, "queue", "QUEUE", out);
	if (tree_get(t, "alert[0].kind")[0] != '\0')
		fprintf(out, "\nALERTS\n");
	for (size_t i = 0; tree_get(t, "alert[%zu].kind", i)[0] != '\0'; i++)
		fprintf(out, "%s %s %s: %s\n", tree_get(t, "alert[%zu].since", i),
		    tree_get(t, "alert[%zu].kind", i), tree_get(t, "alert[%zu].subject", i),
		    tree_get(t, "alert[%zu].text", i));
}

/* ---- asking ---- */

static void
pause_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};

	nanosleep(&t, NULL);
}

int
top_look(const char *socket_path, uint32_t max, struct tree *t, struct why *why)
{
	struct look before, now;

	max = max == 0 ? MAX_ROWS : max;
	if (look_take(socket_path, max, &before, why) == -1)
		return -1;
	pause_ms(FIRST_MS);
	if (look_take(socket_path, max, &now, why) == -1) {
		look_clear(&before);
		return -1;
	}
	compose(&before, &now, t);
	look_clear(&before);
	look_clear(&now);
	return 0;
}

/* what has room: lines and columns of the terminal */
static void
paint(struct str text)
{
	struct winsize w = {.ws_row = 24, .ws_col = 80};
	struct str line;
	unsigned n = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == -1 || w.ws_row < 2 || w.ws_col < 20)
		w = (struct winsize){.ws_row = 24, .ws_col = 80};
	printf("\033[H");
	while (++n < w.ws_row && text.len > 0 && str_next(&text, '\n', &line)) {
		size_t at = 0;
		for (unsigned column = 0; column < w.ws_col && at < line.len; column++)
			at += PH_MAX(tree_utf8(line.p + at, line.len - at), (size_t)1);
		printf("%.*s\033[K\n", STR_ARG(str_sub(line, 0, at)));
	}
	printf("\033[J");
}

static int
paint_tree(struct tree *t, struct why *why)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return why_errno(why, "open_memstream");
	tree_make_printable(t);
	top_print(t, out);
	if (fclose(out) == EOF) {
		free(text);
		return why_errno(why, "fclose");
	}
	paint(str_from(text, len));
	free(text);
	return fflush(stdout) == EOF ? why_errno(why, "Cannot write") : 0;
}

int
top_follow(const char *socket_path, uint32_t max, struct why *why)
{
	struct look looks[2];
	struct tree t;
	int64_t wait_ms = FIRST_MS;
	int r;

	max = max == 0 ? MAX_ROWS : max;
	if (look_take(socket_path, max, &looks[0], why) == -1)
		return -1;
	printf("\033[2J");
	for (unsigned n = 1;; n++, wait_ms = EVERY_MS) {
		struct look *before = &looks[(n - 1) % 2], *now = &looks[n % 2];
		pause_ms(wait_ms);
		r = look_take(socket_path, max, now, why);
		if (r == 0)
			compose(before, now, &t);
		look_clear(before);
		if (r == -1)
			return -1;
		r = paint_tree(&t, why);
		tree_clear(&t);
		if (r == -1) {
			look_clear(now);
			return -1;
		}
	}
}
