#include "lib/spool/record_int.h"

#include <xxhash.h>

/* the library's own choice by what the processor has: the sums are the same */
#ifdef __x86_64__
#include <xxh_x86dispatch.h>
#endif

#include "lib/base/log.h"
#include "lib/base/num.h"

static const char hex_digits[] = "0123456789abcdef";

void
put_hex(char *p, unsigned digits, uint64_t v)
{
	for (unsigned i = digits; i-- > 0; v >>= 4)
		p[i] = hex_digits[v & 15];
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
take_lit(struct str *s, const char *lit)
{
	size_t n = strlen(lit);

	if (s->len < n || memcmp(s->p, lit, n) != 0)
		return false;
	*s = str_skip(*s, n);
	return true;
}

bool
take_hex(struct str *s, const char *lit, unsigned digits, uint64_t *v)
{
	uint64_t n = 0;

	if (!take_lit(s, lit) || s->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++) {
		int d = hex_value(s->p[i]);
		if (d < 0)
			return false;
		n = n << 4 | (uint64_t)d;
	}
	*s = str_skip(*s, digits);
	*v = n;
	return true;
}

/* ---- records ---- */

uint64_t
record_core_of(struct str env, uint64_t message_hash)
{
	return XXH3_64bits_withSeed(env.p, env.len, message_hash);
}

uint64_t
record_core(struct str env, struct str message)
{
	return record_core_of(env, XXH3_64bits(message.p, message.len));
}

/* what the header line says: binds the core to its place and sizes */
static uint64_t
record_sum(uint64_t core, const struct record_header *h)
{
	uint64_t all[5] = {core, h->generation, h->from, h->len, h->env_len};

	return XXH3_64bits(all, sizeof all);
}

bool
record_is_whole(struct str record, const struct record_header *h)
{
	struct str env, message;

	if (record.len != h->len)
		return false;
	env = str_sub(record, SPOOL_HEADER_LEN, h->env_len - SPOOL_HEADER_LEN);
	message = str_skip(record, h->env_len);
	return env.len >= 2 && memcmp(env.p + env.len - 2, "\n\n", 2) == 0 &&
	       record_sum(record_core(env, message), h) == h->sum;
}

bool
record_peek(struct str env, uint64_t *id, uint32_t *n_rcpts)
{
	if (!take_hex(&env, "id: ", 16, id) || !take_lit(&env, "\nrcpts: "))
		return false;
	return parse_u32(str_sub(env, 0, 8), 1, SPOOL_MAX_RCPTS, n_rcpts) && env.len > 8 &&
	       env.p[8] == '\n';
}

#define HEADER_FORM                                                                                \
	"posthaste-1 gen=GGGGGGGG from=FFFFFFFF len=LLLLLLLLLLLL env=EEEEEEEE "                    \
	"sum=SSSSSSSSSSSSSSSS\n"
_Static_assert(sizeof HEADER_FORM - 1 == SPOOL_HEADER_LEN, "the header line's width");

void
envelope_header(char *header, uint64_t core, const struct record_header *h)
{
	memcpy(header, HEADER_FORM, SPOOL_HEADER_LEN);
	put_hex(header + 16, 8, h->generation);
	put_hex(header + 30, 8, h->from);
	put_hex(header + 43, 12, h->len);
	put_hex(header + 60, 8, h->env_len);
	put_hex(header + 73, 16, record_sum(core, h));
}

bool
record_header_parse(struct str s, struct record_header *h)
{
	uint64_t gen, from, env;

	if (!take_hex(&s, "posthaste-1 gen=", 8, &gen) || !take_hex(&s, " from=", 8, &from) ||
	    !take_hex(&s, " len=", 12, &h->len) || !take_hex(&s, " env=", 8, &env) ||
	    !take_hex(&s, " sum=", 16, &h->sum) || !take_lit(&s, "\n"))
		return false;
	h->generation = (uint32_t)gen;
	h->from = (uint32_t)from;
	h->env_len = (uint32_t)env;
	return env > SPOOL_HEADER_LEN && env <= SPOOL_MAX_ENV && h->len >= env;
}

/* ---- the end of a segment ---- */

#define END_FORM                                                                                   \
	"posthaste-1 gen=GGGGGGGG ends-after=MMMMMMMMMMMM recipients=RRRRRRRR "                    \
	"sum=SSSSSSSSSSSSSSSS\n"
#define END_SUMMED 68
_Static_assert(sizeof END_FORM - 1 == SPOOL_HEADER_LEN, "as wide as a header line");

void
segment_end_write(char line[SPOOL_HEADER_LEN], const struct segment_end *e)
{
	memcpy(line, END_FORM, SPOOL_HEADER_LEN);
	put_hex(line + 16, 8, e->generation);
	put_hex(line + 36, 12, e->n_msgs);
	put_hex(line + 60, 8, e->n_rcpts);
	put_hex(line + 73, 16, XXH3_64bits(line, END_SUMMED));
}

bool
segment_end_parse(struct str s, struct segment_end *e)
{
	const char *line = s.p;
	uint64_t gen, sum;

	if (!take_hex(&s, "posthaste-1 gen=", 8, &gen) ||
	    !take_hex(&s, " ends-after=", 12, &e->n_msgs) ||
	    !take_hex(&s, " recipients=", 8, &e->n_rcpts) || !take_hex(&s, " sum=", 16, &sum) ||
	    !take_lit(&s, "\n"))
		return false;
	e->generation = (uint32_t)gen;
	return sum == XXH3_64bits(line, END_SUMMED);
}

/* ---- blocks ---- */

#define BLOCK_SUM_AT (BLOCK_BYTES - 21) /* "sum=" + 16 digits + newline */

void
block_close(char block[BLOCK_BYTES], size_t len)
{
	ph_assert(len <= BLOCK_SUM_AT);
	memset(block + len, '\n', BLOCK_SUM_AT - len);
	memcpy(block + BLOCK_SUM_AT, "sum=", 4);
	put_hex(block + BLOCK_SUM_AT + 4, 16, XXH3_64bits(block, BLOCK_SUM_AT));
	block[BLOCK_BYTES - 1] = '\n';
}

bool
block_open(const char block[BLOCK_BYTES], struct str *text)
{
	struct str tail = str_from(block + BLOCK_SUM_AT, BLOCK_BYTES - BLOCK_SUM_AT);
	uint64_t sum;

	if (!take_hex(&tail, "sum=", 16, &sum) || !take_lit(&tail, "\n"))
		return false;
	*text = str_from(block, BLOCK_SUM_AT);
	return sum == XXH3_64bits(block, BLOCK_SUM_AT);
}

bool
is_zero(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* ---- a segment's header ---- */

void
segment_header_write(char block[BLOCK_BYTES], const struct segment_header *h)
{
	size_t n;

	n = (size_t)snprintf(block, BLOCK_BYTES,
	    "posthaste-segment-1 writer=%02x segment=%08x gen=%08x msgs=%016jx rcpts=%016jx "
	    "marks=%02x\n",
	    h->writer, h->segment, h->generation, (uintmax_t)h->n_msgs, (uintmax_t)h->n_rcpts,
	    h->n_marks);
	for (uint32_t i = 0; i < h->n_marks; i++)
		n += (size_t)snprintf(block + n, BLOCK_BYTES - n,
		    "abandoned segment=%08x gen=%08x end=%016jx\n", h->mark[i].segment,
		    h->mark[i].generation, (uintmax_t)h->mark[i].end);
	block_close(block, n);
}

static bool
take_mark(struct str *s, struct segment_mark *m)
{
	uint64_t segment, gen;

	if (!take_hex(s, "abandoned segment=", 8, &segment) || !take_hex(s, " gen=", 8, &gen) ||
	    !take_hex(s, " end=", 16, &m->end) || !take_lit(s, "\n"))
		return false;
	m->segment = (uint32_t)segment;
	m->generation = (uint32_t)gen;
	return true;
}

bool
segment_header_parse(const char block[BLOCK_BYTES], struct segment_header *h)
{
	struct str s;
	uint64_t writer, segment, gen, marks;

	if (!block_open(block, &s))
		return false;
	if (!take_hex(&s, "posthaste-segment-1 writer=", 2, &writer) ||
	    !take_hex(&s, " segment=", 8, &segment) || !take_hex(&s, " gen=", 8, &gen) ||
	    !take_hex(&s, " msgs=", 16, &h->n_msgs) || !take_hex(&s, " rcpts=", 16, &h->n_rcpts) ||
	    !take_hex(&s, " marks=", 2, &marks) || !take_lit(&s, "\n") || marks > SEGMENT_MARKS)
		return false;
	h->writer = (uint32_t)writer;
	h->segment = (uint32_t)segment;
	h->generation = (uint32_t)gen;
	h->n_marks = (uint32_t)marks;
	for (uint32_t i = 0; i < h->n_marks; i++)
		if (!take_mark(&s, &h->mark[i]))
			return false;
	return true;
}
