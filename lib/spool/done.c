#include "lib/spool/done_int.h"

#include <dirent.h>
#include <errno.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/xalloc.h"
#include "lib/spool/files_int.h"

static const char letters[FINAL_MAX] = {
    [FINAL_NONE] = '?',
    [FINAL_DELIVERED] = 'D',
    [FINAL_BOUNCED] = 'B',
    [FINAL_EXPIRED] = 'E',
    [FINAL_DELETED] = 'X',
    [FINAL_QUIET_DELIVERED] = 'V',
    [FINAL_QUIET_BOUNCED] = 'N',
    [FINAL_QUIET_EXPIRED] = 'F',
    [FINAL_QUIET_DELETED] = 'Y',
};

char
done_letter(enum final_kind kind)
{
	return letters[kind];
}

enum final_kind
done_kind(char letter, bool *counts)
{
	for (int k = FINAL_NONE + 1; k < FINAL_MAX; k++) {
		*counts = letter == letters[k];
		if (*counts || letter == ascii_lower(letters[k]))
			return (enum final_kind)k;
	}
	*counts = false;
	return FINAL_NONE;
}

/* ---- lines ---- */

#define LINE_FORM "K IIIIIIIIIIIIIIII RRRRRRRR TTTTTTTT WGGGGGGGG SSSSSSSS\n"
_Static_assert(sizeof LINE_FORM - 1 == DONE_LINE, "the width of a line");
#define SUM_AT 47

static uint32_t
line_sum(const char *p, uint32_t number)
{
	return (uint32_t)XXH3_64bits_withSeed(p, SUM_AT, number);
}

void
done_line_write(char *p, uint32_t number, const struct done_line *l)
{
	memcpy(p, LINE_FORM, DONE_LINE);
	p[0] = l->kind;
	put_hex(p + 2, 16, l->id);
	put_hex(p + 19, 8, l->rcpt);
	put_hex(p + 28, 8, l->when_s);
	if (l->writer == DONE_NO_WRITER)
		p[37] = '-';
	else
		put_hex(p + 37, 1, l->writer);
	put_hex(p + 38, 8, l->generation);
	put_hex(p + SUM_AT, 8, line_sum(p, number));
}

static bool
is_kind(char c)
{
	bool counts;

	return c == 'S' || c == 'M' || done_kind(c, &counts) != FINAL_NONE;
}

bool
done_line_parse(const char *p, uint32_t number, struct done_line *l)
{
	struct str s = str_from(p + 1, DONE_LINE - 1);
	uint64_t rcpt, when, writer = DONE_NO_WRITER, gen, sum;

	if (!is_kind(p[0]) || !take_hex(&s, " ", 16, &l->id) || !take_hex(&s, " ", 8, &rcpt) ||
	    !take_hex(&s, " ", 8, &when) || !take_lit(&s, " "))
		return false;
	if (!take_lit(&s, "-") && !take_hex(&s, "", 1, &writer))
		return false;
	if (!take_hex(&s, "", 8, &gen) || !take_hex(&s, " ", 8, &sum) || !take_lit(&s, "\n"))
		return false;
	l->kind = p[0];
	l->rcpt = (uint32_t)rcpt;
	l->when_s = (uint32_t)when;
	l->writer = (uint8_t)writer;
	l->generation = (uint32_t)gen;
	return sum == line_sum(p, number);
}

/* ---- the header ---- */

void
done_header_write(char block[BLOCK_BYTES], const struct done_header *h)
{
	int n;

	n = snprintf(block, BLOCK_BYTES,
	    "posthaste-done-1 file=%08x delivered=%016jx bounced=%016jx expired=%016jx "
	    "deleted=%016jx quiet=%016jx,%016jx,%016jx,%016jx table=%08x previous=%08x "
	    "lines=%08x\n",
	    h->number, (uintmax_t)h->by_kind[FINAL_DELIVERED], (uintmax_t)h->by_kind[FINAL_BOUNCED],
	    (uintmax_t)h->by_kind[FINAL_EXPIRED], (uintmax_t)h->by_kind[FINAL_DELETED],
	    (uintmax_t)h->by_kind[FINAL_QUIET_DELIVERED],
	    (uintmax_t)h->by_kind[FINAL_QUIET_BOUNCED], (uintmax_t)h->by_kind[FINAL_QUIET_EXPIRED],
	    (uintmax_t)h->by_kind[FINAL_QUIET_DELETED], h->n_table, h->previous, h->previous_lines);
	block_close(block, (size_t)n);
}

bool
done_header_parse(const char block[BLOCK_BYTES], struct done_header *h)
{
	struct str s;
	uint64_t number, table, previous, lines;

	*h = (struct done_header){0};
	if (!block_open(block, &s) || !take_hex(&s, "posthaste-done-1 file=", 8, &number) ||
	    !take_hex(&s, " delivered=", 16, &h->by_kind[FINAL_DELIVERED]) ||
	    !take_hex(&s, " bounced=", 16, &h->by_kind[FINAL_BOUNCED]) ||
	    !take_hex(&s, " expired=", 16, &h->by_kind[FINAL_EXPIRED]) ||
	    !take_hex(&s, " deleted=", 16, &h->by_kind[FINAL_DELETED]) ||
	    !take_hex(&s, " quiet=", 16, &h->by_kind[FINAL_QUIET_DELIVERED]) ||
	    !take_hex(&s, ",", 16, &h->by_kind[FINAL_QUIET_BOUNCED]) ||
	    !take_hex(&s, ",", 16, &h->by_kind[FINAL_QUIET_EXPIRED]) ||
	    !take_hex(&s, ",", 16, &h->by_kind[FINAL_QUIET_DELETED]) ||
	    !take_hex(&s, " table=", 8, &table) || !take_hex(&s, " previous=", 8, &previous) ||
	    !take_hex(&s, " lines=", 8, &lines) || !take_lit(&s, "\n"))
		return false;
	h->number = (uint32_t)number;
	h->n_table = (uint32_t)table;
	h->previous = (uint32_t)previous;
	h->previous_lines = (uint32_t)lines;
	return true;
}

/* ---- files ---- */

static bool
has_good_table(const struct done_file *f)
{
	struct done_line l;

	if (f->head.n_table > f->n_lines)
		return false;
	for (size_t i = 0; i < f->head.n_table; i++)
		if (!done_line_parse(f->text + BLOCK_BYTES + i * DONE_LINE, f->number, &l))
			return false;
	return true;
}

/* The lines up to the last good one: what is behind was never written, or is torn. */
static size_t
count_lines(const struct done_file *f, size_t n)
{
	struct done_line l;

	while (n > 0) {
		const char *p = f->text + BLOCK_BYTES + (n - 1) * DONE_LINE;
		if (p[0] != '\0' && done_line_parse(p, f->number, &l))
			break;
		n--;
	}
	return n;
}

/* All of it into f->text: how many bytes, -1 with errno. */
static ssize_t
read_text(struct done_file *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	st.st_size = PH_MIN(st.st_size, (off_t)DONE_MAX_BYTES);
	f->text = xmalloc((size_t)st.st_size + 1);
	return pread_all(fd, f->text, (size_t)st.st_size, 0);
}

int
done_file_read(struct done_file *f, int done_fd, uint32_t number)
{
	char name[SPOOL_NAME];
	ssize_t n;
	int fd;

	*f = (struct done_file){.number = number};
	fd = open_file(done_fd, done_name(name, number), O_RDONLY);
	if (fd < 0)
		return -1;
	n = read_text(f, fd);
	close(fd);
	if (n < 0) {
		done_file_clear(f);
		return -1;
	}
	if (n < (ssize_t)BLOCK_BYTES)
		return 0;
	f->n_lines = count_lines(f, ((size_t)n - BLOCK_BYTES) / DONE_LINE);
	f->is_good =
	    done_header_parse(f->text, &f->head) && f->head.number == number && has_good_table(f);
	return 0;
}

void
done_file_clear(struct done_file *f)
{
	xfree(&f->text);
}

bool
done_file_next(const struct done_file *f, size_t *at, struct done_line *l)
{
	while (*at < f->n_lines) {
		const char *p = f->text + BLOCK_BYTES + (*at)++ * DONE_LINE;
		if (done_line_parse(p, f->number, l))
			return true;
	}
	return false;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
done_list(int done_fd, uint32_t **numbers, size_t *n)
{
	int fd = open_dir(done_fd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;
	size_t cap = 0;
	uint32_t number;

	*numbers = NULL;
	*n = 0;
	if (dir == NULL)
		return -1;
	while ((d = readdir(dir)) != NULL) {
		if (!done_name_parse(d->d_name, &number))
			continue;
		if (*n == cap) {
			cap = PH_MAX(cap * 2, (size_t)32);
			*numbers = xreallocarray(*numbers, cap, sizeof **numbers);
		}
		(*numbers)[(*n)++] = number;
	}
	closedir(dir);
	if (*n > 1)
		qsort(*numbers, *n, sizeof **numbers, compare_numbers);
	return 0;
}
