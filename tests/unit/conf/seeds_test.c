/* The configurations that well-known articles print, where they are at hand: they must load. */
#include "tests/unit/conf/help.h"

#include <errno.h>
#include <glob.h>

#define ARTICLES "../shared/seeds/*.txt"

/* Lines `first` to `last` of an article (found by its number's prefix), and the block they were taken out of. */
static const struct {
	const char *article;
	unsigned first, last;
	const char *before, *after;
} parts[] = {
    {"000_", 19, 48, "", ""},
    {"000_", 52, 82, "", ""},
    {"000_", 89, 132, "", ""},
    {"000_", 140, 177, "", ""},
    {"000_", 183, 207, "", ""},
    {"000_", 229, 255, "", ""},
    {"000_", 259, 279, "", ""},
    {"000_", 283, 302, "", ""},
    {"000_", 308, 313, "", ""},
    {"002_", 12, 27, "", ""},
    {"002_", 28, 33, "<virtual-mta a>\n", "</virtual-mta>\n"},
    {"002_", 34, 38, "<virtual-mta b>\n", "</virtual-mta>\n"},
    {"002_", 39, 44, "<virtual-mta c>\n", "</virtual-mta>\n"},
    {"002_", 48, 51,
	"<virtual-mta vmta-mkt-01>\n</virtual-mta>\n<virtual-mta vmta-mkt-02>\n</virtual-mta>\n"
	"<virtual-mta vmta-mkt-03>\n</virtual-mta>\n<virtual-mta-pool p>\n",
	"</virtual-mta-pool>\n"},
    {"002_", 55, 62, "<domain a.example>\n", "</domain>\n"},
    {"002_", 63, 67, "<domain b.example>\n", "</domain>\n"},
    {"002_", 68, 72, "<domain c.example>\n", "</domain>\n"},
    {"002_", 73, 75, "<domain *>\n", "</domain>\n"},
};

static char *
read_article(const char *prefix)
{
	char *pattern = xasprintf("../shared/seeds/%s*.txt", prefix), *text = NULL;
	glob_t g = {0};
	FILE *f;
	size_t n;

	if (glob(pattern, 0, NULL, &g) == 0 && (f = fopen(g.gl_pathv[0], "re")) != NULL) {
		text = xmalloc(1 << 20);
		n = fread(text, 1, (1 << 20) - 1, f);
		text[n] = '\0';
		fclose(f);
	}
	globfree(&g);
	free(pattern);
	return text;
}

static void
add_lines(struct buf *b, const char *article, unsigned first, unsigned last)
{
	struct str rest = str_of(article), line;

	for (unsigned n = 1; n <= last && str_next(&rest, '\n', &line); n++)
		if (n >= first) {
			buf_add_str(b, line);
			buf_add_char(b, '\n');
		}
}

static void
load_whole(struct buf *b, const char *name)
{
	struct conf *c;

	buf_add_cstr(b, NEEDED);
	c = load_text(buf_cstr(b), false);
	if (c == NULL)
		fail_msg("%s:\n%s", name, buf_cstr(b));
	assert_round_trip(c);
	conf_free(&c);
}

static void
the_parts_of_articles_load(void **state)
{
	for (size_t i = 0; i < countof(parts); i++) {
		char *article = read_article(parts[i].article);
		struct buf b;
		if (article == NULL) {
			print_message("skipped: %s: not there\n", ARTICLES);
			skip();
		}
		buf_init(&b, 1 << 20);
		buf_add_cstr(&b, parts[i].before);
		add_lines(&b, article, parts[i].first, parts[i].last);
		buf_add_cstr(&b, parts[i].after);
		load_whole(&b, parts[i].article);
		buf_clear(&b);
		free(article);
	}
	print_message("%zu parts of %s load\n", countof(parts), ARTICLES);
}

static void
all_parts_of_an_article_load_together(void **state)
{
	char *article = read_article("000_");
	struct buf b;

	if (article == NULL) {
		print_message("skipped: %s: not there\n", ARTICLES);
		skip();
	}
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < countof(parts); i++)
		if (strcmp(parts[i].article, "000_") == 0)
			add_lines(&b, article, parts[i].first, parts[i].last);
	load_whole(&b, "000_");
	buf_clear(&b);
	free(article);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_parts_of_articles_load),
	    cmocka_unit_test(all_parts_of_an_article_load_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
