#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "injectd/data.h"
#include "lib/base/buf.h"

struct got {
	struct data_filter f;
	struct buf out;
	size_t used;
};

static void
sink(void *arg, struct str piece)
{
	struct got *g = arg;

	assert_int_equal(buf_add_str(&g->out, piece), 0);
}

/* gives the text in two pieces, cut at `cut`, or byte by byte when cut is past the end */
static void
feed(struct got *g, struct str in, size_t cut, bool chunked)
{
	size_t step = cut > in.len ? 1 : cut;

	memset(g, 0, sizeof *g);
	buf_init(&g->out, 4096);
	data_init(&g->f, sink, g);
	while (g->used < in.len && !g->f.is_over) {
		struct str piece = str_sub(in, g->used, step == 0 ? in.len : step);
		if (chunked)
			data_run_chunk(&g->f, piece);
		g->used += chunked ? piece.len : data_run(&g->f, piece);
		if (cut <= in.len)
			step = in.len;
	}
	if (chunked)
		data_end_chunks(&g->f);
}

static const struct row {
	const char *name;
	struct str in;
	struct str out; /* p NULL: bad */
	size_t rest;	/* bytes behind the end; (size_t)-1: no end */
	enum data_fault fault;
	uint64_t n_bytes, n_dots;
} rows[] = {
    {"plain", STR("a\r\nb\r\n.\r\nQUIT"), STR("a\r\nb\r\n"), 4, DATA_GOOD, 6, 0},
    {"empty", STR(".\r\n"), STR(""), 0, DATA_GOOD, 0, 0},
    {"stuffed", STR("..\r\n..a\r\n.\r\n"), STR("..\r\n..a\r\n"), 0, DATA_GOOD, 7, 2},
    {"unstuffed by a broken client", STR(".abc\r\n.\r\n"), STR(".abc\r\n"), 0, DATA_GOOD, 5, 1},
    {"dot within", STR("a.\r\nb.c\r\n.\r\n"), STR("a.\r\nb.c\r\n"), 0, DATA_GOOD, 9, 0},
    {"empty lines", STR("\r\n\r\n.\r\n"), STR("\r\n\r\n"), 0, DATA_GOOD, 4, 0},
    {"LF dot LF", STR("a\n.\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_LF, 0, 0},
    {"CRLF dot LF", STR("a\r\n.\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_LF, 0, 0},
    {"CRLF dot CR", STR("a\r\n.\rMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_CR, 0, 0},
    {"CRLF dot CR CRLF", STR("a\r\n.\r\r\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_CR, 0, 0},
    {"LF dot CRLF", STR("a\n.\r\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_LF, 0, 0},
    {"CR dot CR", STR("a\r.\rMAIL\r\n.\r\n"), STR_NULL, 0, DATA_BARE_CR, 0, 0},
    {"NUL before CRLF", STR("a\r\n.\0\r\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_NUL, 0, 0},
    {"NUL behind CRLF", STR("a\r\n\0.\r\nMAIL\r\n.\r\n"), STR_NULL, 0, DATA_NUL, 0, 0},
    {"CRLF dot CRLF behind a bare CR ends", STR("a\r\r\n.\r\nQUIT"), STR_NULL, 4, DATA_BARE_CR, 0,
	0},
    {"no end", STR("a\r\n."), STR("a\r\n"), (size_t)-1, DATA_GOOD, 3, 0},
    {"no end, CR", STR("a\r\n.\r"), STR("a\r\n"), (size_t)-1, DATA_GOOD, 3, 0},
};

static void
check_row(const struct row *r, size_t cut)
{
	struct got g;

	feed(&g, r->in, cut, false);
	if (g.f.fault != r->fault || g.f.is_over != (r->rest != (size_t)-1))
		fail_msg("%s, cut at %zu: fault %d, over %d", r->name, cut, g.f.fault, g.f.is_over);
	if (g.f.is_over)
		assert_int_equal(r->in.len - g.used, r->rest);
	if (r->out.p != NULL && (!str_eq(buf_str(&g.out), r->out) || g.f.n_bytes != r->n_bytes ||
				    g.f.n_dots != r->n_dots))
		fail_msg("%s, cut at %zu: \"%.*s\", %ju bytes, %ju dots", r->name, cut,
		    STR_ARG(buf_str(&g.out)), (uintmax_t)g.f.n_bytes, (uintmax_t)g.f.n_dots);
	buf_clear(&g.out);
}

static void
the_end_of_data_is_found_at_every_edge(void **state)
{
	for (size_t i = 0; i < countof(rows); i++)
		for (size_t cut = 0; cut <= rows[i].in.len + 1; cut++)
			check_row(&rows[i], cut);
}

static const struct {
	struct str in, out;
	enum data_fault fault;
	uint64_t n_dots;
} chunks[] = {
    {STR("a\r\n.\r\nb"), STR("a\r\n..\r\nb\r\n"), DATA_GOOD, 1},
    {STR(".\r\n..x\r\n"), STR("..\r\n...x\r\n"), DATA_GOOD, 2},
    {STR(""), STR(""), DATA_GOOD, 0},
    {STR("."), STR("..\r\n"), DATA_GOOD, 1},
    {STR("a\r"), STR_NULL, DATA_BARE_CR, 0},
    {STR("a\nb"), STR_NULL, DATA_BARE_LF, 0},
    {STR("a\0b"), STR_NULL, DATA_NUL, 0},
};

static void
chunks_are_stuffed_at_every_edge(void **state)
{
	struct got g;

	for (size_t i = 0; i < countof(chunks); i++)
		for (size_t cut = 0; cut <= chunks[i].in.len + 1; cut++) {
			feed(&g, chunks[i].in, cut, true);
			assert_int_equal(g.f.fault, chunks[i].fault);
			if (chunks[i].out.p != NULL) {
				assert_int_equal(g.f.n_dots, chunks[i].n_dots);
				assert_true(str_eq(buf_str(&g.out), chunks[i].out));
			}
			buf_clear(&g.out);
		}
}

/* text of lines, short and long, with what must be looked at strewn in now and then */
static size_t
make_text(char *text, size_t size, unsigned *seed)
{
	static const char *const odd[] = {
	    "\r", "\n", "\0", ".", "\r\n.", "\r\n..", "\r\r\n", "\n\r", "\r\n.\r\n"};
	size_t n = 0, width = (unsigned)rand_r(seed) % 150;
	int rare = rand_r(seed) % 3 == 0 ? 20 : 500;

	while (n + 8 < size) {
		const char *piece = (unsigned)rand_r(seed) % (width + 1) == 0 ? "\r\n" : "x";
		if (rand_r(seed) % rare == 0)
			piece = odd[(unsigned)rand_r(seed) % countof(odd)];
		memcpy(text + n, piece, PH_MAX(strlen(piece), (size_t)1));
		n += PH_MAX(strlen(piece), (size_t)1);
	}
	return n;
}

/* Many bytes at once are looked at in blocks, a single one never is: both must find the same. */
static void
blocks_find_what_single_bytes_do(void **state)
{
	unsigned seed = 1;
	char text[1500];
	struct got whole, single;

	for (int i = 0; i < 4000; i++) {
		size_t n = make_text(text, 1 + (unsigned)rand_r(&seed) % sizeof text, &seed);
		bool chunked = i % 2 == 1;
		feed(&whole, str_from(text, n), (unsigned)rand_r(&seed) % (n + 1), chunked);
		feed(&single, str_from(text, n), n + 1, chunked);
		assert_int_equal(whole.f.fault, single.f.fault);
		assert_int_equal(whole.f.is_over, single.f.is_over);
		assert_int_equal(whole.used, single.used);
		assert_int_equal(whole.f.state, single.f.state);
		assert_int_equal(whole.f.line_len, single.f.line_len);
		if (single.f.fault == DATA_GOOD) {
			assert_true(str_eq(buf_str(&whole.out), buf_str(&single.out)));
			assert_int_equal(whole.f.n_bytes, single.f.n_bytes);
			assert_int_equal(whole.f.n_dots, single.f.n_dots);
		}
		buf_clear(&whole.out);
		buf_clear(&single.out);
	}
}

static void
a_line_without_end_is_refused(void **state)
{
	static char line[DATA_MAX_LINE + 1];
	struct got g = {0};

	memset(line, 'x', sizeof line);
	buf_init(&g.out, sizeof line * 2);
	data_init(&g.f, sink, &g);
	(void)data_run(&g.f, str_from(line, DATA_MAX_LINE));
	assert_int_equal(g.f.fault, DATA_GOOD);
	(void)data_run(&g.f, STR("\r\n"));
	assert_int_equal(g.f.fault, DATA_GOOD);
	(void)data_run(&g.f, str_from(line, sizeof line));
	assert_int_equal(g.f.fault, DATA_LONG_LINE);
	assert_int_equal(data_run(&g.f, STR("\r\n.\r\nQ")), 5);
	assert_true(g.f.is_over);
	buf_clear(&g.out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_end_of_data_is_found_at_every_edge),
	    cmocka_unit_test(chunks_are_stuffed_at_every_edge),
	    cmocka_unit_test(blocks_find_what_single_bytes_do),
	    cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
