#include "pmtactl/suppression.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/acct/csv.h"
#include "lib/base/clock.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "pmtactl/client.h"

#define BLOCK_BYTES (44u * 1024) /* of one request */
#define LINE_BYTES  8192
#define PROGRESS_MS 200
#define BAR	    30

/* the columns, in the order of the server's rows; other names under which an address or a reason may stand */
enum column {
	COL_ADDRESS,
	COL_SCOPE,
	COL_SINCE,
	COL_UNTIL,
	COL_SOURCE,
	COL_CATEGORY,
	COL_VMTA,
	COL_JOB,
	COL_TEXT,
	N_COLUMNS
};
static const struct {
	enum column column;
	const char *name;
} columns[] = {
    {COL_ADDRESS, "address"},
    {COL_SCOPE, "scope"},
    {COL_SINCE, "since"},
    {COL_UNTIL, "until"},
    {COL_SOURCE, "source"},
    {COL_CATEGORY, "category"},
    {COL_VMTA, "vmta"},
    {COL_JOB, "job"},
    {COL_TEXT, "text"},
    {COL_ADDRESS, "email"},
    {COL_ADDRESS, "recipient"},
    {COL_ADDRESS, "rcpt"},
    {COL_SINCE, "timeLogged"},
    {COL_CATEGORY, "bounceCat"},
    {COL_JOB, "jobId"},
    {COL_TEXT, "dsnDiag"},
    {COL_TEXT, "reason"},
};

/* ---- progress ---- */

struct progress {
	uint64_t rows, bad;
	uint64_t bytes, size; /* size 0: not known */
	struct timespec last;
	bool is_shown; /* to a terminal */
};

static void
progress_begin(struct progress *p, FILE *f)
{
	struct stat st;

	*p = (struct progress){.is_shown = isatty(STDERR_FILENO) == 1};
	if (f != NULL && fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode))
		p->size = (uint64_t)st.st_size;
}

static bool
is_time(struct progress *p)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) == -1 ||
	    (now.tv_sec - p->last.tv_sec) * 1000 + (now.tv_nsec - p->last.tv_nsec) / NS_PER_MS <
		PROGRESS_MS)
		return false;
	p->last = now;
	return true;
}

static void
progress_show(struct progress *p, bool is_end)
{
	char bar[BAR + 1];
	unsigned n = p->size == 0 ? 0 : (unsigned)(PH_MIN(p->bytes, p->size) * BAR / p->size);

	if (!p->is_shown || (!is_end && !is_time(p)))
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', is_end ? BAR : n);
	bar[BAR] = '\0';
	if (p->size == 0)
		fprintf(stderr, "\r%lu addresses", p->rows);
	else
		fprintf(stderr, "\r[%s] %3u%% %lu addresses", bar, is_end ? 100 : n * 100 / BAR,
		    p->rows);
	if (is_end)
		fputc('\n', stderr);
	fflush(stderr);
}

/* ---- export ---- */

/* seconds since 1970, as the server says, to "2026-11-21T15:00:00Z"; empty for 0 */
static struct str
iso_time(struct str s, char text[32])
{
	uint64_t v;
	struct tm tm;
	time_t t;

	text[0] = '\0';
	if (!parse_u64(s, 1, INT64_MAX / (uint64_t)NS_PER_SEC, &v))
		return STR("");
	t = (time_t)v;
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return str_of(text);
}

static int
write_row(FILE *out, struct buf *line, struct str row, char address[512], char scope[256])
{
	struct str rest = row, f;
	char time[32];

	buf_reset(line);
	for (int i = 0; i < N_COLUMNS; i++) {
		f = STR("");
		if (i == COL_TEXT)
			f = rest;
		else if (rest.len > 0)
			(void)str_next(&rest, '\t', &f);
		if (i == COL_ADDRESS)
			(void)str_copy(address, 512, f);
		if (i == COL_SCOPE)
			(void)str_copy(scope, 256, f);
		if (i == COL_SINCE || i == COL_UNTIL)
			f = iso_time(f, time);
		csv_add(line, f, i == 0);
	}
	if (csv_end(line) == -1)
		return -1;
	return fwrite(buf_str(line).p, 1, buf_len(line), out) == buf_len(line) ? 0 : -1;
}

/* Rows behind that entry; *more: there are others. */
static int
export_page(const char *socket_path, FILE *out, struct buf *line, char address[512],
    char scope[256], struct progress *p, bool *more, struct why *why)
{
	struct str args[ARG_MAX];
	struct tree t;
	int r;

	for (size_t i = 0; i < ARG_MAX; i++)
		args[i] = STR("");
	args[ARG_TARGET] = str_of(address);
	args[ARG_VMTA] = str_of(scope);
	tree_init(&t);
	r = client_ask(
	    &(struct question){
		.socket_path = socket_path, .command = CTL_SUPPRESSION_EXPORT, .args = args},
	    &t, why);
	if (r == 0 && !t.ok)
		r = why_set(why, "%s", t.message);
	for (size_t i = 0; r == 0 && i < t.n; i++) {
		if (!str_has_prefix(str_of(t.leaves[i].path), STR("row[")))
			continue;
		p->rows++;
		if (write_row(out, line, str_of(t.leaves[i].value), address, scope) == -1)
			r = why_errno(why, "Cannot write");
	}
	*more = r == 0 && strcmp(tree_get(&t, "more"), "yes") == 0;
	tree_clear(&t);
	return r;
}

static int
export_all(const char *socket_path, FILE *out, struct progress *p, struct why *why)
{
	char address[512] = "", scope[256] = "";
	struct buf line;
	bool more = true;
	int r = 0;

	buf_init(&line, 2 * LINE_BYTES);
	for (int i = 0; i < N_COLUMNS; i++)
		fprintf(out, "%s%s", i == 0 ? "" : ",", columns[i].name);
	fputs("\r\n", out);
	while (r == 0 && more) {
		r = export_page(socket_path, out, &line, address, scope, p, &more, why);
		progress_show(p, false);
	}
	buf_clear(&line);
	if (r == 0 && fflush(out) == EOF)
		r = why_errno(why, "Cannot write");
	return r;
}

static bool
is_standard(const char *file)
{
	return file == NULL || file[0] == '\0' || strcmp(file, "-") == 0;
}

int
suppression_export(const char *socket_path, const char *file, struct why *why)
{
	struct progress p;
	FILE *out = is_standard(file) ? stdout : fopen(file, "we");
	int r;

	if (out == NULL)
		return why_errno(why, "Cannot open %s", file);
	progress_begin(&p, NULL);
	r = export_all(socket_path, out, &p, why);
	if (r == 0)
		progress_show(&p, true);
	if (out != stdout && fclose(out) == EOF && r == 0)
		r = why_errno(why, "Cannot write %s", file);
	return r;
}

/* ---- import ---- */

struct import {
	const char *socket_path;
	int place[N_COLUMNS]; /* of each column in the file, -1: it is not there */
	bool has_header, is_dry;
	struct buf block;
	struct csv_row row;
	struct progress p;
	uint64_t line, first_bad; /* of the file; 0: none */
};

static void
take_header(struct import *im)
{
	int found = -1;

	for (size_t c = 0; c < N_COLUMNS; c++)
		im->place[c] = -1;
	for (size_t i = 0; i < im->row.n; i++)
		for (size_t k = 0; k < countof(columns); k++) {
			if (!str_ieq(str_trim(im->row.field[i]), str_of(columns[k].name)))
				continue;
			if (im->place[columns[k].column] == -1)
				im->place[columns[k].column] = (int)i;
			if (columns[k].column == COL_ADDRESS)
				found = (int)i;
		}
	im->has_header = found != -1;
	if (!im->has_header)
		im->place[COL_ADDRESS] = 0;
}

/* "2026-11-21T15:00:00Z", "2026-11-21 15:00:00+0000", or seconds */
static bool
put_time(struct buf *b, struct str s)
{
	char text[64];
	struct tm tm = {0};
	const char *rest;
	uint64_t v;

	if (s.len == 0 || str_ieq(s, STR("never")))
		return true;
	if (parse_u64(s, 0, INT64_MAX, &v)) {
		(void)buf_add_str(b, s);
		return true;
	}
	(void)str_copy(text, sizeof text, s);
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest != NULL && (*rest == ' ' || *rest == 'T'))
		rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (rest == NULL)
		return false;
	tm.tm_gmtoff = 0;
	if (*rest == '+' || *rest == '-') {
		struct tm zone = {0};
		if (strptime(rest, "%z", &zone) == NULL)
			return false;
		tm.tm_gmtoff = zone.tm_gmtoff;
	}
	(void)buf_addf(b, "%jd", (intmax_t)(timegm(&tm) - tm.tm_gmtoff));
	return true;
}

static struct str
field(const struct import *im, enum column c)
{
	int at = im->place[c];

	return at >= 0 && (size_t)at < im->row.n ? str_trim(im->row.field[at]) : STR("");
}

static void
put_text(struct buf *b, struct str s)
{
	s = str_sub(s, 0, 1000);
	for (size_t i = 0; i < s.len; i++)
		(void)buf_add_char(b, (unsigned char)s.p[i] < ' ' || s.p[i] == 127 ? ' ' : s.p[i]);
}

static bool
put_row(struct import *im)
{
	size_t before = buf_len(&im->block);
	bool is_good = field(im, COL_ADDRESS).len > 0;

	for (int c = 0; c < N_COLUMNS && is_good; c++) {
		if (c > 0)
			(void)buf_add_char(&im->block, '\t');
		if (c == COL_SINCE || c == COL_UNTIL)
			is_good = put_time(&im->block, field(im, (enum column)c));
		else
			put_text(&im->block, field(im, (enum column)c));
	}
	(void)buf_add_char(&im->block, '\n');
	if (!is_good)
		buf_truncate(&im->block, before);
	return is_good;
}

static uint64_t
number(const struct tree *t, const char *name)
{
	uint64_t v = 0;

	(void)parse_u64(str_of(tree_get(t, "%s", name)), 0, UINT64_MAX, &v);
	return v;
}

/* the rows so far to the server */
static int
send_block(struct import *im, struct why *why)
{
	struct str args[ARG_MAX];
	struct tree t;
	int r;

	if (buf_len(&im->block) == 0)
		return 0;
	for (size_t i = 0; i < ARG_MAX; i++)
		args[i] = STR("");
	args[ARG_TARGET] = buf_str(&im->block);
	args[ARG_FLAGS] = im->is_dry ? STR("dry-run") : STR("");
	tree_init(&t);
	r = client_ask(
	    &(struct question){
		.socket_path = im->socket_path, .command = CTL_SUPPRESSION_IMPORT, .args = args},
	    &t, why);
	if (r == 0 && !t.ok)
		r = why_set(why, "%s", t.message);
	im->p.rows += number(&t, "imported");
	im->p.bad += number(&t, "bad");
	tree_clear(&t);
	buf_reset(&im->block);
	return r;
}

static int
take_line(struct import *im, struct str line, struct why *why)
{
	char text[LINE_BYTES + 3];
	int n = snprintf(
	    text, sizeof text, "%.*s\r\n", STR_ARG(str_sub(str_trim(line), 0, LINE_BYTES)));

	im->line++;
	im->p.bytes += line.len;
	if (n <= 2 || text[0] == '#')
		return 0;
	if (csv_read(str_from(text, (size_t)n), &im->row) <= 0 || im->row.n == 0) {
		im->p.bad++;
		return 0;
	}
	if (im->line == 1) {
		take_header(im);
		if (im->has_header)
			return 0;
	}
	if (!put_row(im)) {
		im->p.bad++;
		im->first_bad = im->first_bad == 0 ? im->line : im->first_bad;
	}
	if (buf_len(&im->block) < BLOCK_BYTES - LINE_BYTES)
		return 0;
	progress_show(&im->p, false);
	return send_block(im, why);
}

static int
import_all(struct import *im, FILE *in, struct why *why)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = getline(&line, &room, in)) > 0)
		r = take_line(im, str_from(line, (size_t)n), why);
	free(line);
	if (r == 0 && ferror(in))
		r = why_errno(why, "Cannot read");
	return r == 0 ? send_block(im, why) : r;
}

int
suppression_import(const char *socket_path, const char *file, bool is_dry, struct why *why)
{
	struct import im = {.socket_path = socket_path, .is_dry = is_dry};
	FILE *in = is_standard(file) ? stdin : fopen(file, "re");
	int r;

	if (in == NULL)
		return why_errno(why, "Cannot open %s", file);
	for (size_t c = 0; c < N_COLUMNS; c++)
		im.place[c] = -1;
	im.place[COL_ADDRESS] = 0;
	buf_init(&im.block, BLOCK_BYTES);
	csv_row_init(&im.row);
	progress_begin(&im.p, in);
	r = import_all(&im, in, why);
	progress_show(&im.p, r == 0);
	if (r == 0) {
		printf("%lu addresses %s", im.p.rows, is_dry ? "would be imported" : "imported");
		if (im.p.bad > 0)
			printf(", %lu lines were out of form", im.p.bad);
		if (im.first_bad > 0)
			printf(", the first is line %lu", im.first_bad);
		printf(".\n");
	}
	csv_row_clear(&im.row);
	buf_clear(&im.block);
	if (in != stdin)
		fclose(in);
	return r;
}
