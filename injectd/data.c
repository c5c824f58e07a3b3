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

/* Where in a block of 64 bytes there is what: a bit each, the first byte's lowest. */
struct marks {
	uint64_t cr, lf, dot;
	bool has_nul;
};
#define BLOCK 64u

#ifdef __SSE2__
struct block {
	__m128i a, b, c, d;
};

static inline uint64_t
bits(__m128i v, __m128i wanted)
{
	return (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, wanted));
}

static inline uint64_t
where(const struct block *k, char c)
{
	__m128i w = _mm_set1_epi8(c);

	return bits(k->a, w) | bits(k->b, w) << 16 | bits(k->c, w) << 32 | bits(k->d, w) << 48;
}

static inline struct marks
marks_of(const char *p)
{
	const __m128i *at = (const void *)p;
	struct block k = {_mm_loadu_si128(at), _mm_loadu_si128(at + 1), _mm_loadu_si128(at + 2),
	    _mm_loadu_si128(at + 3)};
	__m128i least = _mm_min_epu8(_mm_min_epu8(k.a, k.b), _mm_min_epu8(k.c, k.d));

	return (struct marks){
	    .cr = where(&k, '\r'),
	    .lf = where(&k, '\n'),
	    .dot = where(&k, '.'),
	    .has_nul = bits(least, _mm_setzero_si128()) != 0,
	};
}
#else
static struct marks
marks_of(const char *p)
{
	struct marks m = {0};

	for (unsigned i = 0; i < BLOCK; i++) {
		m.cr |= (uint64_t)(p[i] == '\r') << i;
		m.lf |= (uint64_t)(p[i] == '\n') << i;
		m.dot |= (uint64_t)(p[i] == '.') << i;
		m.has_nul |= p[i] == '\0';
	}
	return m;
}
#endif

/* the block's lines, all of which end in CRLF: their lengths, and in which state it leaves */
static void
leave_block(struct data_filter *f, const struct marks *m)
{
	size_t first = m->cr == 0 ? BLOCK : (size_t)__builtin_ctzll(m->cr);
	size_t behind = m->lf == 0 ? 0 : BLOCK - (size_t)__builtin_clzll(m->lf);
	bool ends_in_cr = m->cr >> (BLOCK - 1) != 0;

	count_text(f, first);
	if (m->lf != 0)
		f->line_len = (uint32_t)(BLOCK - behind - ends_in_cr);
	if (ends_in_cr)
		f->state = CR;
	else
		f->state = behind == BLOCK ? BOL : TEXT;
}

/*
 * Whole blocks without anything that needs a look at single bytes: every CR with its LF, no NUL, no dot at the start
 * of a line. How many bytes of s; the state is not CR before.
 */
static size_t
run_blocks(struct data_filter *f, struct str s)
{
	size_t i = 0;

	for (; s.len - i >= BLOCK && f->state != CR; i += BLOCK) {
		struct marks m = marks_of(s.p + i);
		uint64_t starts = m.lf << 1 | (f->state == BOL);
		if (m.has_nul || m.lf != m.cr << 1 || (starts & m.dot) != 0)
			break;
		leave_block(f, &m);
	}
	return i;
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
		i += run_blocks(f, str_skip(s, i));
		if (i == s.len || f->state == CR)
			continue;
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
