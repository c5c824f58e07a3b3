/*
 * What the table says of a directive is true: honoured means that some program asks for it, and what a program asks
 * for is not called "not yet honoured". Looks for the keys' names in the programs' sources.
 */
#include "tests/unit/conf/help.h"

#include <glob.h>

static const char *const names[CONF_N_KEYS] = {
    "",
#define DIRECTIVE(block, id, name, type, dflt, syntax, merge, reload, status, help)                \
	"CONF_" #block "_" #id,
#include "lib/conf/directives.def"
#undef DIRECTIVE
};

/* Used within lib/conf, which answers for them (conf_listener_at(), conf_vmta(), …), or a promise that is kept anyway. */
static const enum conf_key answered_here[] = {
    CONF_GLOBAL_SYNC_MSG_CREATE, CONF_GLOBAL_SYNC_MSG_UPDATE, CONF_GLOBAL_SMTP_SOURCE_HOST,
    CONF_GLOBAL_DOMAIN_MACRO, CONF_GLOBAL_RELAY_DOMAIN, CONF_GLOBAL_RELAY_ADDRESS, CONF_DOMAIN_TYPE,
    CONF_GLOBAL_COMMAND_USER, /* lib/command */
    CONF_DOMAIN_COMMAND_USER, CONF_ACCT_COMMAND_USER, CONF_FBL_COMMAND_USER,
    CONF_GLOBAL_DKIM_KEY_DIRECTORY,
    CONF_DOMAIN_DKIM_ALGORITHM, /* see check.c: rsa-sha1 becomes rsa-sha256 */
    CONF_DOMAIN_SECOND_DKIM_ALGORITHM, CONF_DKIM_SIGN_HASH, CONF_VMTA_HOST_NAME,
    CONF_VMTA_SMTP_SOURCE_HOST, CONF_GLOBAL_SMTP_PROXY_SOURCE_HOST, CONF_GLOBAL_USE_PROXY,
    CONF_VMTA_SMTP_PROXY_SOURCE_HOST, CONF_VMTA_PROXY_PROTOCOL, CONF_VMTA_USE_PROXY,
    CONF_PROXY_SERVER, CONF_PROXY_CLIENT, CONF_PROXY_PROTOCOL_VERSION, CONF_POOL_VIRTUAL_MTA,
    CONF_LISTENER_SOURCE, CONF_LISTENER_VIRTUAL_MTA, CONF_PATTERNS_HEADER, CONF_PATTERNS_MAIL_FROM,
    CONF_PATTERNS_RCPT_TO, CONF_PATTERNS_ANY, CONF_REWRITE_MAIL_FROM, CONF_REWRITE_FROM_DOMAIN,
    CONF_ALIASES_ALIAS, CONF_GLOBAL_POSTMASTER, CONF_FBL_ADDRESS, /* conf_fbl_of() */
};

static bool
is_word_char(char c)
{
	return ascii_is_alnum(c) || c == '_';
}

static void
look_for_keys(const char *text, bool *is_used)
{
	for (const char *p = strstr(text, "CONF_"); p != NULL; p = strstr(p + 1, "CONF_")) {
		size_t n = 0;
		while (is_word_char(p[n]))
			n++;
		for (unsigned k = 1; k < CONF_N_KEYS; k++)
			if (str_eq(str_of(names[k]), str_from(p, n)))
				is_used[k] = true;
	}
}

static size_t
look_in(const char *pattern, bool *is_used)
{
	glob_t g = {0};
	char *text = xmalloc(1 << 20);

	if (glob(pattern, 0, NULL, &g) != 0)
		g.gl_pathc = 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "re");
		size_t n = f == NULL ? 0 : fread(text, 1, (1 << 20) - 1, f);
		text[n] = '\0';
		look_for_keys(text, is_used);
		if (f != NULL)
			fclose(f);
	}
	free(text);
	size_t n = g.gl_pathc;
	globfree(&g);
	return n;
}

static void
the_status_of_every_directive_is_true(void **state)
{
	static const char *const programs[] = {"master/*.[ch]", "injectd/*.[ch]", "queued/*.[ch]",
	    "queued/*/*.[ch]", "dnsd/*.[ch]", "deliverd/*.[ch]", "bounced/*.[ch]", "acctd/*.[ch]",
	    "pmtactl/*.[ch]", "signd/*.[ch]", "execd/*.[ch]", "webd/*.[ch]", "lib/dkim/*.[ch]",
	    "lib/acct/*.[ch]", "lib/daemon/*.[ch]", "fbld/*.[ch]", "lib/processor/*.[ch]",
	    "lib/tls/*.[ch]"};
	bool is_used[CONF_N_KEYS] = {0};
	size_t files = 0, wrong = 0;

	for (size_t i = 0; i < countof(programs); i++)
		files += look_in(programs[i], is_used);
	for (size_t i = 0; i < countof(answered_here); i++)
		is_used[answered_here[i]] = true;
	assert_true(files > 20);
	for (unsigned k = 1; k < CONF_N_KEYS; k++) {
		enum conf_status s = conf_row((enum conf_key)k)->status;
		if (s == CONF_HONOURED && !is_used[k]) {
			print_message(
			    "%s is called honoured, but no program asks for it\n", names[k]);
			wrong++;
		}
		if (s == CONF_NOT_YET && is_used[k]) {
			print_message(
			    "%s is called not yet honoured, but a program asks for it\n", names[k]);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_status_of_every_directive_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
