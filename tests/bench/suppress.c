/*
 * What the suppression database costs with N entries, in one process, as bounced and injectd use it: a look-up of an
 * address that is not in it as it is done when mail arrives, writing all entries as an import does, opening it at a
 * start, and memory. Prints "name value" lines.
 *
 *	suppress N EMPTY-DIRECTORY
 */
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/suppress/filter.h"
#include "lib/suppress/suppress.h"

#define CACHE_MB  64   /* as bounced */
#define A_BATCH	  2000 /* as bounced */
#define QUESTIONS 2000000u
#define FINDS	  20000u

static double
now_us(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) == -1)
		exit(1);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
fail(const char *what, const struct why *why)
{
	fprintf(stderr, "%s: %s\n", what, why->text);
	exit(1);
}

static double
resident_mb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char line[100], *resident;

	if (f == NULL || fgets(line, sizeof line, f) == NULL)
		exit(1);
	fclose(f);
	resident = strchr(line, ' ');
	if (resident == NULL)
		exit(1);
	return (double)strtoul(resident, NULL, 10) * 4096 / 1e6;
}

/* addresses in no order, as lists have them */
static struct str
address(char text[80], const char *what, uint64_t i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 29;
	return str_from(
	    text, (size_t)snprintf(text, 80, "%s%06x.%05x@example%u.org", what, (unsigned)(x >> 40),
		      (unsigned)(i & 0xfffff), (unsigned)(x & 1023)));
}

/* ---- the common "no" ---- */

static void
ask(const struct suppress *s)
{
	struct filter_key key = {{0}};
	struct why why;
	struct filter *store = filter_map(filter_fd(suppress_filter(s)), &why),
		      *lists = filter_new(1000, &key, &why);
	unsigned maybe = 0;
	char text[80];
	double start, made;

	if (store == NULL || lists == NULL)
		fail("filter", &why);
	start = now_us(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t i = 0; i < QUESTIONS; i++)
		maybe += address(text, "absent", i).len == 0;
	made = now_us(CLOCK_PROCESS_CPUTIME_ID);
	for (uint64_t i = 0; i < QUESTIONS; i++) {
		struct str a = address(text, "absent", i);
		maybe += filter_may_have(store, a) || filter_may_list(lists, a);
	}
	printf("absent_us %.3f\n",
	    (now_us(CLOCK_PROCESS_CPUTIME_ID) - made - (made - start)) / QUESTIONS);
	printf("maybe_percent %.3f\n", 100.0 * maybe / QUESTIONS);
	filter_free(&store);
	filter_free(&lists);
}

/* ---- and when it is "maybe" ---- */

static void
find(struct suppress *s)
{
	struct suppression e;
	struct buf b;
	struct why why;
	char text[80];
	double start = now_us(CLOCK_MONOTONIC);

	buf_init(&b, 65536);
	for (uint64_t i = 0; i < FINDS; i++)
		if (suppress_find(s, address(text, "absent", i), NULL, 0, wall_from_sec(1), &e, &b,
			&why) != 0)
			fail("find", &why);
	printf("find_us %.1f\n", (now_us(CLOCK_MONOTONIC) - start) / FINDS);
	buf_clear(&b);
}

/* ---- the store ---- */

static struct suppress *
open_store(const char *dir)
{
	struct why why;
	struct suppress *s = suppress_open(dir, CACHE_MB, &why);

	if (s == NULL)
		fail("open", &why);
	return s;
}

static void
import(struct suppress *s, uint64_t n)
{
	struct suppression e = {.source = SUPPRESS_IMPORT,
	    .since = wall_from_sec(1700000000),
	    .category = STR("bad-mailbox")};
	struct why why;
	char text[80];
	double start = now_us(CLOCK_MONOTONIC);

	for (uint64_t i = 0; i < n; i++) {
		e.address = address(text, "gone", i);
		if (suppress_add(s, &e, &why) == -1)
			fail("add", &why);
		if ((i + 1) % A_BATCH != 0 && i + 1 < n)
			continue;
		if (suppress_commit(s, &why) == -1)
			fail("commit", &why);
		while (suppress_is_growing(s))
			if (suppress_grow(s, &why) == -1)
				fail("grow", &why);
	}
	printf("import_per_s %.0f\n", (double)n * 1e6 / (now_us(CLOCK_MONOTONIC) - start));
}

int
main(int argc, char **argv)
{
	struct suppress *s;
	uint64_t n = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	double start, before;

	if (n == 0 || sodium_init() == -1) {
		fprintf(stderr, "usage: suppress N EMPTY-DIRECTORY\n");
		return 2;
	}
	s = open_store(argv[2]);
	import(s, n);
	suppress_close(&s);
	malloc_trim(0);
	before = resident_mb();
	start = now_us(CLOCK_MONOTONIC);
	s = open_store(argv[2]);
	printf("restart_s %.2f\n", (now_us(CLOCK_MONOTONIC) - start) / 1e6);
	printf("memory_mb %.0f\n", resident_mb() - before);
	ask(s);
	find(s);
	suppress_close(&s);
	return 0;
}
