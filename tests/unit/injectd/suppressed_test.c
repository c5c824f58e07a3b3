/* Who is suppressed is refused at RCPT; all others are not even asked about, and nobody is lost for want of an answer. */
#include "tests/unit/injectd/rig.h"

#include "injectd/suppressed.h"

static struct {
	struct session *session;
	char address[64], lists[64];
	unsigned n_asked, n_cancelled;
	bool is_away;
} store;

static bool
may_be(struct str address)
{
	return str_has_iprefix(address, STR("maybe"));
}

static bool
ask(struct session *s, struct str address, struct str lists)
{
	if (store.is_away)
		return false;
	store.session = s;
	store.n_asked++;
	(void)str_copy(store.address, sizeof store.address, address);
	(void)str_copy(store.lists, sizeof store.lists, lists);
	return true;
}

static void
cancel(struct session *s)
{
	store.n_cancelled++;
}

static const struct suppress_ops fake = {may_be, ask, cancel};

static void
begin(const char *conf)
{
	memset(&store, 0, sizeof store);
	rig_new(conf);
	rig.world.suppress = &fake;
	rig_expect("EHLO c\r\nMAIL FROM:<a@b.example>\r\n", "220 250 250");
}

/* the store answers; "": on none */
static void
answer(const char *list)
{
	session_suppressed(store.session, str_of(list));
	rig_settle();
}

#define LISTS                                                                                      \
	"<address-list closed>\naddress x@y.example\n</address-list>\n"                            \
	"<address-list old>\naddress z@y.example\n</address-list>\n"

static void
who_is_on_a_list_is_refused_and_the_others_get_the_mail(void **state)
{
	begin(LISTS "suppression-lists closed\n<source 0/0>\nalways-allow-relaying yes\n"
		    "suppression-lists old\n</source>\n");
	rig_expect("RCPT TO:<free@d.example>\r\n", "250");
	assert_int_equal(store.n_asked, 0);
	rig_expect("RCPT TO:<Maybe1@d.example>\r\nRCPT TO:<maybe2@d.example>\r\n", "");
	assert_string_equal(store.address, "Maybe1@d.example");
	assert_string_equal(store.lists, "closed,old");
	answer("old");
	assert_string_equal(store.address, "maybe2@d.example");
	answer("");
	rig_expect("", "550 250");
	rig_expect("RCPT TO:<maybe3@d.example>\r\n", "");
	answer("old");
	assert_non_null(strstr(rig.out, "550 5.7.1 recipient is in suppression list \"old\"\r\n"));
	rig_expect("DATA\r\n", "550 354");
	rig_expect("Subject: s\r\n\r\ntext\r\n.\r\n", "250");
	assert_int_equal(rig.msg[0].e.n_rcpts, 2);
	assert_null(strstr(rig.msg[0].env, "Maybe1"));
	assert_non_null(strstr(rig.msg[0].env, "rcpt: maybe2@d.example"));
	assert_true(str_eq(rig.msg[0].e.lists, STR("old")));
	rig_free();
}

static void
a_message_without_any_other_recipient_is_refused(void **state)
{
	begin(RIG_RELAY);
	rig_expect("RCPT TO:<maybe@d.example>\r\n", "");
	answer("suppressed");
	rig_expect("DATA\r\nRCPT TO:<free@d.example>\r\nDATA\r\n", "550 554 250 354");
	rig_expect("x\r\n.\r\n", "250");
	assert_int_equal(rig.msg[0].e.n_rcpts, 1);
	rig_free();
}

static void
they_are_accepted_and_bounced_where_the_source_says_so_or_nobody_can_be_asked(void **state)
{
	begin(
	    "<source 0/0>\nalways-allow-relaying yes\naccept-invalid-recipients yes\n</source>\n");
	rig_expect("RCPT TO:<maybe@d.example>\r\n", "250");
	rig_free();
	begin(RIG_RELAY);
	store.is_away = true;
	rig_expect("RCPT TO:<maybe@d.example>\r\n", "250");
	assert_int_equal(store.n_asked, 0);
	rig_free();
}

static void
a_session_that_ends_takes_its_question_back(void **state)
{
	begin(RIG_RELAY);
	rig_expect("RCPT TO:<maybe@d.example>\r\n", "");
	rig_free();
	assert_int_equal(store.n_cancelled, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_is_on_a_list_is_refused_and_the_others_get_the_mail),
	    cmocka_unit_test(a_message_without_any_other_recipient_is_refused),
	    cmocka_unit_test(
		they_are_accepted_and_bounced_where_the_source_says_so_or_nobody_can_be_asked),
	    cmocka_unit_test(a_session_that_ends_takes_its_question_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
