#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "lib/ctl/tree.h"

typedef void print_fn(const struct tree *t, FILE *out);

static char said[4096];

static void
put(struct tree *t, const char *path, const char *value, enum ctl_value kind)
{
	assert_int_equal(tree_add(t, str_of(path), str_of(value), kind), 0);
}

static const char *
printed(const struct tree *t, print_fn *fn)
{
	FILE *out = fmemopen(said, sizeof said, "w");

	assert_non_null(out);
	said[0] = '\0';
	fn(t, out);
	assert_int_equal(fclose(out), 0);
	return said;
}

static void
values_are_found_by_path(void **state)
{
	struct tree t;

	tree_init(&t);
	put(&t, "queue[0].name", "a", CTL_TEXT);
	put(&t, "queue[11].name", "b", CTL_TEXT);
	put(&t, "queue[11].name", "again", CTL_TEXT);
	assert_string_equal(tree_get(&t, "queue[%d].name", 11), "b");
	assert_string_equal(tree_get(&t, "queue[1].name"), "");
	assert_int_equal(tree_count(&t, "queue"), 12);
	assert_int_equal(tree_count(&t, "que"), 0);
	tree_clear(&t);
	assert_string_equal(tree_get(&t, "queue[0].name"), "");
}

static void
json_nests_lists_and_types(void **state)
{
	struct tree t;

	tree_init(&t);
	put(&t, "queue[0].name", "a", CTL_TEXT);
	put(&t, "queue[0].event[0].text", "x", CTL_TEXT);
	put(&t, "queue[0].event[1].text", "y", CTL_TEXT);
	put(&t, "queue[0].paused", "yes", CTL_BOOL);
	put(&t, "queue[1].name", "b", CTL_TEXT);
	put(&t, "host[0].ip[0]", "1", CTL_TEXT);
	put(&t, "host[0].ip[1]", "2", CTL_TEXT);
	put(&t, "host[1].ip[0]", "3", CTL_TEXT);
	put(&t, "none", "", CTL_NO_ROWS);
	put(&t, "total", "7", CTL_NUMBER);
	assert_string_equal(printed(&t, tree_print_json),
	    "{\"data\":{\"queue\":[{\"name\":\"a\",\"event\":[{\"text\":\"x\"},{\"text\":\"y\"}],"
	    "\"paused\":true},"
	    "{\"name\":\"b\"}],\"host\":[{\"ip\":[\"1\",\"2\"]},{\"ip\":[\"3\"]}],\"none\":[],"
	    "\"total\":7},"
	    "\"status\":\"success\",\"message\":\"\"}\n");
	tree_clear(&t);
}

static void
an_empty_answer_is_whole(void **state)
{
	struct tree t;

	tree_init(&t);
	assert_string_equal(printed(&t, tree_print_json),
	    "{\"data\":{},\"status\":\"success\",\"message\":\"\"}\n");
	assert_string_equal(printed(&t, tree_print_xml),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rsp><data></data><succ/></rsp>\n");
	put(&t, "queue", "", CTL_NO_ROWS);
	assert_string_equal(printed(&t, tree_print_xml),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rsp><data></data><succ/></rsp>\n");
	assert_string_equal(printed(&t, tree_print_dom), "");
	tree_clear(&t);
}

static void
odd_values_are_said_as_each_form_can(void **state)
{
	struct tree t;

	tree_init(&t);
	put(&t, "a", "\"\\<&>\x01\x1b\r\n\xc3\xa4\xff\xef\xbf\xbf", CTL_TEXT);
	assert_string_equal(printed(&t, tree_print_json),
	    "{\"data\":{\"a\":\"\\\"\\\\<&>"
	    "\\u0001\\u001b\\u000d\\u000a\xc3\xa4\xef\xbf\xbd\xef\xbf\xbf\"},"
	    "\"status\":\"success\",\"message\":\"\"}\n");
	assert_string_equal(printed(&t, tree_print_xml),
	    "<?xml version=\"1.0\" "
	    "encoding=\"UTF-8\"?>\n<rsp><data><a>&quot;\\&lt;&amp;&gt;\xef\xbf\xbd\xef\xbf\xbd&#13;"
	    "\n"
	    "\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd</a></data><succ/></rsp>\n");
	tree_make_printable(&t);
	assert_string_equal(
	    printed(&t, tree_print_dom), "a=\"\"\\<&>????\xc3\xa4?\xef\xbf\xbf\"\n");
	tree_clear(&t);
}

static void
only_utf8_is_utf8(void **state)
{
	assert_int_equal(tree_utf8("a", 1), 1);
	assert_int_equal(tree_utf8("\xc3\xa4", 2), 2);
	assert_int_equal(tree_utf8("\xc3\xa4", 1), 0);
	assert_int_equal(tree_utf8("\xf0\x9f\x98\x80", 4), 4);
	assert_int_equal(tree_utf8("\xc0\x80", 2), 0);
	assert_int_equal(tree_utf8("\xed\xa0\x80", 3), 0);
	assert_int_equal(tree_utf8("\xe0\x80\x80", 3), 0);
	assert_int_equal(tree_utf8("\xf4\x90\x80\x80", 4), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values_are_found_by_path),
	    cmocka_unit_test(json_nests_lists_and_types),
	    cmocka_unit_test(an_empty_answer_is_whole),
	    cmocka_unit_test(odd_values_are_said_as_each_form_can),
	    cmocka_unit_test(only_utf8_is_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
