#include "pmtactl/options.h"

#include "lib/base/num.h"

#define DEFAULT_CONFIG "/etc/pmta/config"

static const struct {
	const char	  *words;
	enum local_command local;
	const char	  *args, *help;
} locals[] = {
    {"help", LOCAL_HELP, "", "this list"},
    {"test config", LOCAL_TEST_CONFIG, "[FILE]", "check a configuration only"},
    {"audit", LOCAL_AUDIT, "", "prove that no recipient was lost: accepted = delivered + bounced + expired + deleted + queued"},
};

/* --name=VALUE and --name */
static const struct {
	const char  *name;
	enum ctl_arg arg;
	bool	     is_flag;
} named[] = {
    {"queue", ARG_TARGET, false},
    {"orig", ARG_ORIG, false},
    {"rcpt", ARG_RCPT, false},
    {"jobId", ARG_JOB, false},
    {"envId", ARG_ENVID, false},
    {"connected", ARG_CONNECTED, false},
    {"paused", ARG_PAUSED, false},
    {"mode", ARG_MODE, false},
    {"sort", ARG_SORT, false},
    {"vmta", ARG_VMTA, false},
    {"errors", ARG_FLAGS, true},
    {"dsn", ARG_FLAGS, true},
    {"no-accounting", ARG_FLAGS, true},
    {"dry-run", ARG_FLAGS, true},
    {"retry-recipients", ARG_FLAGS, true},
};

struct match {
	int		      n_words; /* of the command line */
	int		      n_hits;
	const struct ctl_row *row;
	enum local_command    local;
	bool		      exact;
};

/* do the words of a command fit the first words given, each by prefix? 0: no; else how many words */
static int
words_fit(const char *words, char **argv, int argc, bool *exact)
{
	struct str rest = str_of(words), w;
	int	   n = 0;

	*exact = true;
	while (str_next_word(&rest, &w)) {
		struct str given = n < argc ? str_of(argv[n]) : STR_NULL;
		if (given.len == 0 || !str_has_iprefix(w, given))
			return 0;
		if (given.len != w.len)
			*exact = false;
		n++;
	}
	return n;
}

static void
consider(struct match *best, int n, bool exact, const struct ctl_row *row, enum local_command local)
{
	if (n == 0 || n < best->n_words || (n == best->n_words && best->exact && !exact))
		return;
	if (n > best->n_words || (exact && !best->exact))
		best->n_hits = 0;
	best->n_words = n;
	best->exact = exact;
	best->row = row;
	best->local = local;
	best->n_hits++;
}

static struct match
find_command(char **argv, int argc)
{
	struct match m = {0};
	bool	     exact;

	for (size_t i = 0; i < countof(locals); i++) {
		int n = words_fit(locals[i].words, argv, argc, &exact);
		consider(&m, n, exact, NULL, locals[i].local);
	}
	for (size_t i = 0; i < ctl_n_rows(); i++) {
		int n = words_fit(ctl_row_at(i)->words, argv, argc, &exact);
		consider(&m, n, exact, ctl_row_at(i), LOCAL_NONE);
	}
	return m;
}

/* "1w2d3h4m5s" or plain seconds */
static bool
parse_age(struct str s, char text[16])
{
	static const struct {
		char	 unit;
		uint32_t seconds;
	} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	uint64_t total = 0;

	while (s.len > 0) {
		size_t	 digits = 0;
		uint32_t n, unit = 1;
		while (digits < s.len && ascii_is_digit(s.p[digits]))
			digits++;
		if (!parse_u32(str_sub(s, 0, digits), 0, 10000000, &n))
			return false;
		for (size_t i = 0; digits < s.len && i < countof(units); i++)
			unit = s.p[digits] == units[i].unit ? units[i].seconds : unit;
		total += (uint64_t)n * unit;
		s = str_skip(s, digits + 1);
	}
	snprintf(text, 16, "%lu", PH_MIN(total, (uint64_t)4000000000));
	return true;
}

static int
read_named(struct options *o, struct str opt, struct why *why)
{
	static char flags[256], age[16];
	size_t	    eq = str_find(opt, '=');
	struct str  name = eq == STR_NPOS ? opt : str_sub(opt, 0, eq);
	struct str  value = eq == STR_NPOS ? STR("") : str_skip(opt, eq + 1);

	if (str_eq(name, STR("maxitems")) && parse_u32(value, 1, UINT32_MAX, &o->max))
		return 0;
	if (str_eq(name, STR("older-than")) && parse_age(value, age)) {
		o->args[ARG_OLDER] = str_of(age);
		return 0;
	}
	for (size_t i = 0; i < countof(named); i++) {
		if (!str_ieq(name, str_of(named[i].name)) || named[i].is_flag != (eq == STR_NPOS))
			continue;
		if (!named[i].is_flag) {
			o->args[named[i].arg] = value;
			return 0;
		}
		if (flags[0] != '\0')
			strlcat(flags, ",", sizeof flags);
		strlcat(flags, named[i].name, sizeof flags);
		o->args[ARG_FLAGS] = str_of(flags);
		return 0;
	}
	return why_set(why, "There is no option --%.*s; see \"pmtactl help\".", STR_ARG(opt));
}

static bool
read_form(struct options *o, struct str opt)
{
	static const struct {
		const char	*name;
		enum output_form form;
	} forms[] = {{"json", FORM_JSON}, {"xml", FORM_XML}, {"dom", FORM_DOM}};

	for (size_t i = 0; i < countof(forms); i++) {
		if (!str_eq(opt, str_of(forms[i].name)))
			continue;
		o->form = forms[i].form;
		return true;
	}
	return false;
}

static int
read_option(struct options *o, struct str arg, struct why *why)
{
	struct str opt = str_skip(arg, 2);

	return read_form(o, opt) ? 0 : read_named(o, opt, why);
}

/* splits argv into words and options; returns the number of words, -1 on an error */
static int
sort_out(int argc, char **argv, char **words, struct options *o, struct why *why)
{
	bool only_words = false;
	int  n = 0;

	for (int i = 1; i < argc; i++) {
		struct str a = str_of(argv[i]);
		bool	   takes_value = str_eq(a, STR("-c")) || str_eq(a, STR("-s"));
		if (!only_words && takes_value && i + 1 < argc) {
			*(a.p[1] == 'c' ? &o->config : &o->socket) = argv[i + 1];
			i++;
		} else if (!only_words && str_eq(a, STR("--"))) {
			only_words = true;
		} else if (!only_words && str_has_prefix(a, STR("--"))) {
			if (read_option(o, a, why) == -1)
				return -1;
		} else
			words[n++] = argv[i];
	}
	return n;
}

int
options_read(int argc, char **argv, struct options *o, struct why *why)
{
	char	    *words[64];
	struct match m;
	int	     n;

	*o = (struct options){.config = DEFAULT_CONFIG};
	if (argc > (int)countof(words))
		return why_set(why, "Too many arguments.");
	n = sort_out(argc, argv, words, o, why);
	if (n == -1)
		return -1;
	if (n == 0)
		return why_set(why, "Say what to do; see \"pmtactl help\".");
	m = find_command(words, n);
	if (m.n_hits == 0)
		return why_set(why, "There is no command \"%s%s%s\"; see \"pmtactl help\".", words[0],
		    n > 1 ? " " : "", n > 1 ? words[1] : "");
	if (m.n_hits > 1)
		return why_set(why, "\"%s\" may mean several commands; write more of it.", words[m.n_words - 1]);
	o->row = m.row;
	o->local = m.local;
	if (m.row != NULL && m.row->command == CTL_CAT)
		o->local = LOCAL_CAT;
	if (n > m.n_words)
		o->args[ARG_TARGET] = str_of(words[m.n_words]);
	if (n > m.n_words + 1)
		return why_set(why, "\"%s\" is one argument too many.", words[m.n_words + 1]);
	return 0;
}

void
options_help(FILE *out)
{
	fprintf(out, "usage: pmtactl [-c FILE] [-s SOCKET] [--json|--xml|--dom] COMMAND\n\n");
	for (size_t i = 0; i < countof(locals); i++)
		fprintf(out, "  %s %s\n      %s\n", locals[i].words, locals[i].args, locals[i].help);
	for (size_t i = 0; i < ctl_n_rows(); i++)
		fprintf(out, "  %s %s\n      %s\n", ctl_row_at(i)->words, ctl_row_at(i)->args, ctl_row_at(i)->help);
}
