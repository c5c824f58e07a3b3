#include "injectd/data.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

#ifdef __SSE2__
/* Where among 16 bytes the first CR, LF or NUL is; 16: nowhere. */
static size_t
plain_of_16(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i cr = _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'));
	__m128i lf = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
	__m128i nul = _mm_cmpeq_epi8(v, _mm_setzero_si128());
	unsigned hits = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(cr, lf), nul));

	return hits == 0 ? 16 : (size_t)__builtin_ctz(hits);
}
#else
static size_t
plain_of_16(const char *p)
{
	size_t n = 0;

	while (n < 16 && is_plain(p[n]))
		n++;
	return n;
}
#endif

/* how many bytes from the front are plain text: up to the first CR, LF or NUL */
static size_t
text_run(struct str s)
{
	size_t n, i = 0;

	for (; s.len - i >= 16; i += 16) {
		n = plain_of_16(s.p + i);
		if (n < 16)
			return i + n;
	}
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

/* The ordinary states, over as many bytes as they last: how many of s. */
static size_t
run_lines(struct data_filter *f, struct str s)
{
	size_t i = 0, n;

	while (i < s.len) {
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

	f->n_bytes += s.len;
	while (i < s.len) {
		if (f->state == BOL && s.p[i] == '.') {
			give(f, STR(".."));
			f->n_dots++;
			count_text(f, 1);
			f->state = TEXT;
			i++;
			continue;
		}
		n = run_lines(f, str_skip(s, i));
		give(f, str_sub(s, i, n));
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
