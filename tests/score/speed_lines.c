/*
 * How long it takes to judge failures: lines of the standard input as in classify_lines.c, the file of rules as argument.
 * Each failure is judged some times, all in turn, and its shortest time counts: so nothing is measured of what else the
 * machine does, and no text finds the caches as itself left them. Prints number, mean, the 99th of 100 and the longest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/classify/classify.h"
#include "tests/score/score.h"

#define ROUNDS 20

struct timed {
	struct failure f;
	double us;
};

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* what it takes to look at the clock */
static double
clock_us(void)
{
	double least = 1e9;

	for (int i = 0; i < 1000; i++) {
		double t = now_us();
		least = PH_MIN(least, now_us() - t);
	}
	return least;
}

static int
by_time(const void *a, const void *b)
{
	const struct timed *x = a, *y = b;

	return (x->us > y->us) - (x->us < y->us);
}

static void
measure(struct classifier *c, struct timed *list, size_t n)
{
	double none = clock_us();

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < n; i++) {
			double t = now_us();
			(void)classify(c, &list[i].f);
			t = now_us() - t - none;
			list[i].us = round == 0 ? t : PH_MIN(t, list[i].us);
		}
	}
}

static void
show(const struct timed *list, size_t n)
{
	double sum = 0;
	struct str longest = list[n - 1].f.text;

	for (size_t i = 0; i < n; i++)
		sum += list[i].us;
	printf("%zu\t%.2f\t%.2f\t%.2f\t%.*s\n", n, sum / (double)n, list[n * 99 / 100].us,
	    list[n - 1].us, STR_ARG(str_sub(longest, 0, 200)));
}

int
score_speed(int argc, char **argv)
{
	static char line[65536];
	struct classifier *c = argc < 2 ? NULL : score_rules(argv[1]);
	struct timed *list = NULL;
	size_t n = 0;

	if (c == NULL)
		return 1;
	while (fgets(line, sizeof line, stdin) != NULL) {
		list = xreallocarray(list, n + 1, sizeof *list);
		/* its pieces lie in the copy */
		list[n++].f = score_failure(xstrdup(line));
	}
	if (n > 0) {
		measure(c, list, n);
		qsort(list, n, sizeof *list, by_time);
		show(list, n);
	}
	classifier_free(&c);
	return 0;
}
