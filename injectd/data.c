#include "injectd/data.h"

#include "injectd/lines.h"

/*
 *	mail-data = *( line CRLF ) "." CRLF
 *	BOL	at the start of a line
 *	TEXT	within a line
 *	CR	behind a CR that may begin CRLF
 *	DOT	behind a dot at the start of a line, which is not yet given out
 *	DOT_CR	behind such a dot and CR
 */
enum { BOL, TEXT, CR, DOT, DOT_CR };

void
data_init(struct data_filter *f, data_sink *sink, void *arg)
{
	*f = (struct data_filter){.sink = sink, .arg = arg, .state = BOL};
}

static void
set_fault(struct data_filter *f, enum data_fault fault)
{
	if (f->fault == DATA_GOOD)
		f->fault = (uint8_t)fault;
}

static void
give(struct data_filter *f, struct str piece)
{
	if (piece.len > 0 && f->fault == DATA_GOOD)
		f->sink(f->arg, piece);
}

static bool
is_plain(char c)
{
	return c != '\r' && c != '\n' && c != '\0';
}

/* how many bytes from the front are plain text: up to the first CR, LF or NUL */
static size_t
text_run(struct str s)
{
	size_t i = 0;

	while (i < s.len && is_plain(s.p[i]))
		i++;
	return i;
}

/* what a byte that is not plain text does within a line: the next state */
static int
within_line(struct data_filter *f, char c)
{
	if (c == '\r')
		return CR;
	set_fault(f, c == '\n' ? DATA_BARE_LF : DATA_NUL);
	return TEXT;
}

static int
behind_cr(struct data_filter *f, char c)
{
	if (c == '\n') {
		f->line_len = 0;
		return BOL;
	}
	set_fault(f, DATA_BARE_CR);
	return c == '\r' ? CR : TEXT;
}

static void
count_text(struct data_filter *f, size_t n)
{
	f->line_len += (uint32_t)PH_MIN(n, (size_t)DATA_MAX_LINE + 1);
	if (f->line_len > DATA_MAX_LINE) {
		f->line_len = DATA_MAX_LINE + 1; /* it must not wrap */
		set_fault(f, DATA_LONG_LINE);
	}
}

/* Passes what needs no look at single bytes: how many bytes of s. */
static size_t
run_ordinary(struct data_filter *f, struct str s)
{
	struct lines_edge e = {.line_len = f->line_len,
	    .is_at_start = f->state == BOL,
	    .is_behind_cr = f->state == CR};
	size_t n = lines_skip_ordinary(s, DATA_MAX_LINE, &e);

	if (n == 0)
		return 0;
	f->line_len = (uint32_t)e.line_len;
	if (e.is_behind_cr)
		f->state = CR;
	else
		f->state = e.is_at_start ? BOL : TEXT;
	return n;
}

/* The ordinary states, over as many bytes as they last: how many of s. */
static size_t
run_lines(struct data_filter *f, struct str s)
{
	size_t i = 0, n;

	while (i < s.len) {
		i += run_ordinary(f, str_skip(s, i));
		if (i == s.len)
			break;
		if (f->state == CR) {
			f->state = (uint8_t)behind_cr(f, s.p[i++]);
			continue;
		}
		if (f->state == BOL && s.p[i] == '.')
			break;
		n = text_run(str_skip(s, i));
		count_text(f, n);
		i += n;
		if (n > 0)
			f->state = TEXT;
		if (i < s.len)
			f->state = (uint8_t)within_line(f, s.p[i++]);
	}
	return i;
}

/* One byte behind a dot at the start of a line. False: it was the end. */
static bool
behind_dot(struct data_filter *f, char c)
{
	if (f->state == DOT_CR && c == '\n') {
		f->is_over = true;
		return false;
	}
	if (f->state == DOT && c == '\r') {
		f->state = DOT_CR;
		return true;
	}
	give(f, STR("."));
	f->n_dots++;
	count_text(f, 1);
	if (f->state == DOT_CR) {
		f->state = (uint8_t)behind_cr(f, c);
	} else {
		f->state = c == '\n' || c == '\0' ? (uint8_t)within_line(f, c) : TEXT;
		give(f, str_from(&c, 1));
		f->n_bytes++;
	}
	return true;
}

size_t
data_run(struct data_filter *f, struct str s)
{
	size_t i = 0, n;

	while (i < s.len && !f->is_over) {
		if (f->state == DOT || f->state == DOT_CR) {
			(void)behind_dot(f, s.p[i++]);
			continue;
		}
		if (f->state == BOL && s.p[i] == '.') {
			f->state = DOT;
			i++;
			continue;
		}
		n = run_lines(f, str_skip(s, i));
		give(f, str_sub(s, i, n));
		f->n_bytes += n;
		i += n;
	}
	return i;
}

void
data_run_chunk(struct data_filter *f, struct str s)
{
	size_t i = 0, n;

	while (i < s.len) {
		if (f->state == BOL && s.p[i] == '.') {
			give(f, STR(".."));
			f->n_bytes++;
			f->n_dots++;
			count_text(f, 1);
			f->state = TEXT;
			i++;
			continue;
		}
		n = run_lines(f, str_skip(s, i));
		give(f, str_sub(s, i, n));
		f->n_bytes += n;
		i += n;
	}
}

void
data_end_chunks(struct data_filter *f)
{
	if (f->state == CR)
		set_fault(f, DATA_BARE_CR);
	if (f->state == TEXT) {
		give(f, STR("\r\n"));
		f->n_bytes += 2;
	}
}
