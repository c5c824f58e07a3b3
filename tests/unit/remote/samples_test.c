/* Reports of servers old and odd, and of many languages, in samples.txt: what they are and whom they are about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/remote/remote.h"

#define MARK "\n#### "

static void
read_all(struct buf *b)
{
	FILE *in = fopen("tests/unit/remote/samples.txt", "re");
	char piece[4096];
	size_t n;

	assert_non_null(in);
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		assert_int_equal(buf_add(b, piece, n), 0);
	(void)fclose(in);
}

static void
tell(struct str head, const char *what, const char *found)
{
	print_message("%.*s: %s %s\n", STR_ARG(head), what, found);
}

static bool
is_complaint_right(const struct remote_report *r, struct str head, struct str rcpt, struct str type)
{
	char who[REMOTE_ADDRESS] = "", found[64] = "";
	size_t n = remote_complainant(r, who);

	if (!str_eq(str_from(who, PH_MIN(n, sizeof who - 1)), rcpt)) {
		tell(head, "it is of", who);
		return false;
	}
	(void)remote_arf(r, STR("feedback-type"), found, sizeof found);
	if (str_eq(type, STR("-")) ? found[0] != '\0' : !str_ieq(str_of(found), type)) {
		tell(head, "its type is", found);
		return false;
	}
	return true;
}

static bool
is_right(struct str head, struct str message)
{
	struct remote_report r;
	struct str rest = head, kind, rcpt, type;
	bool is;

	if (!str_next_word(&rest, &kind) || !str_next_word(&rest, &rcpt)) {
		tell(head, "its line lacks", "a word");
		return false;
	}
	if (!str_next_word(&rest, &type))
		type = STR("");
	remote_read(&r, message);
	is = str_eq(kind, str_of(remote_kind_name(r.kind)));
	if (!is) {
		tell(head, "it is taken for", remote_kind_name(r.kind));
	} else if (r.kind == REMOTE_COMPLAINT) {
		is = is_complaint_right(&r, head, rcpt, type);
	} else {
		is = r.n_rcpts == 1 && str_eq(rcpt, str_of(r.rcpts[0].final));
		if (!is)
			tell(head, "the first of them is",
			    r.n_rcpts > 0 ? r.rcpts[0].final : "nobody");
	}
	remote_clear(&r);
	return is;
}

static void
reports_of_many_servers_and_languages_are_read(void **state)
{
	struct buf b;
	struct str rest, head;
	unsigned n = 0, wrong = 0;
	size_t at;

	buf_init(&b, 1 << 20);
	read_all(&b);
	rest = buf_str(&b);
	at = str_find_str(rest, STR(MARK));
	while (at != STR_NPOS) {
		rest = str_skip(rest, at + strlen(MARK));
		assert_true(str_next(&rest, '\n', &head));
		at = str_find_str(rest, STR(MARK));
		wrong += !is_right(head, str_sub(rest, 0, PH_MIN(at, rest.len)));
		n++;
	}
	assert_in_range(n, 40, 1000);
	assert_int_equal(wrong, 0);
	buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reports_of_many_servers_and_languages_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
