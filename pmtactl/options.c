#include "pmtactl/options.h"

#include "lib/base/num.h"

#define DEFAULT_CONFIG "/etc/pmta/config"
#define MAX_WORDS      64
#define MAX_ARGUMENT   1000

static const struct {
	const char *words;
	enum local_command local;
	const char *args, *help;
} locals[] = {
    {"help", LOCAL_HELP, "", "this list"},
    {"test config", LOCAL_TEST_CONFIG, "[FILE]", "check a configuration only"},
    {"audit", LOCAL_AUDIT, "",
	"prove that no recipient was lost: accepted = delivered + bounced + expired + deleted + "
	"queued"},
    {"hash-password", LOCAL_HASH_PASSWORD, "",
	"read a password and print what may stand for it in <smtp-user>"},
    {"digest", LOCAL_DIGEST, "--hmac-sha256|--siphash --key=K|--hexkey=HEX STRING",
	"print a keyed hash of a text, as PowerMTA does"},
    {"top", LOCAL_TOP, "[--once] [--maxitems=N]",
	"what the server does now: rates, the largest providers and queues, errors, alerts; "
	"painted "
	"anew every two seconds on a terminal, once anywhere else"},
    {"history", LOCAL_HISTORY, "[--maxitems=N] [--all] ADDRESS",
	"what became of the mail to an address, from the accounting files, the latest first; all "
	"of "
	"them, however long that takes, with --all"},
    {"completion bash", LOCAL_COMPLETION_BASH, "", "print the completion of commands for bash"},
    {"completion zsh", LOCAL_COMPLETION_ZSH, "", "the same for zsh"},
    {"completion fish", LOCAL_COMPLETION_FISH, "", "the same for fish"},
    {"show license", LOCAL_NO_LICENSE, "", "Posthaste needs none"},
    {"show registration", LOCAL_NO_LICENSE, "", "Posthaste needs none"},
    {"register", LOCAL_NO_LICENSE, "", "Posthaste needs no license"},
    {"deregister", LOCAL_NO_LICENSE, "", "Posthaste needs no license"},
    {"clear secretscache", LOCAL_NO_CACHE, "", "there is no cache of secrets"},
};

/* short forms that guides to PowerMTA print */
static const struct {
	const char *words, *meant;
} shorts[] = {{"status", "show status"}};

/* --name=VALUE and --name */
static const struct {
	const char *name;
	enum ctl_arg arg;
	bool is_flag;
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
    {"reason", ARG_REASON, false},
    {"mx", ARG_MX, false},
    {"errors", ARG_FLAGS, true},
    {"mode-events", ARG_FLAGS, true},
    {"dsn", ARG_FLAGS, true},
    {"no-accounting", ARG_FLAGS, true},
    {"dry-run", ARG_FLAGS, true},
    {"retry-recipients", ARG_FLAGS, true},
    {"priority", ARG_FLAGS, true},
    {"schedule", ARG_FLAGS, true},
    {"pause", ARG_FLAGS, true},
    {"all", ARG_FLAGS, true},
    {"event", ARG_EVENT, false},
    {"log-data", ARG_FLAGS, true},
    {"log-resolution", ARG_FLAGS, true},
    {"to-log", ARG_FLAGS, true},
    {"source-ip", ARG_SOURCE, false},
    {"no-rcpt-events", ARG_FLAGS, true},
    {"once", ARG_FLAGS, true},
    {"interactive", ARG_FLAGS, true},
    {"tls", ARG_FLAGS, true},
    {"connect", ARG_FLAGS, true},
    {"hmac-sha256", ARG_FLAGS, true},
    {"siphash", ARG_FLAGS, true},
    {"key", ARG_ORIG, false},
    {"hexkey", ARG_RCPT, false},
};

struct match {
	int n_words; /* of the command line */
	int n_hits;
	const char *words;
	const char *args;
	const struct ctl_row *row;
	enum local_command local;
	bool exact;
};

/* do the words of a command fit the first words given, each by prefix? 0: no; else how many words */
static int
words_fit(const char *words, char **argv, int argc, bool *exact)
{
	struct str rest = str_of(words), w;
	int n = 0;

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

/* more words win, then exact ones; several equally good ones are ambiguous */
static void
consider(struct match *best, struct match m, char **argv, int argc)
{
	m.n_words = words_fit(m.words, argv, argc, &m.exact);
	m.n_hits = 1;
	if (m.n_words == 0 || m.n_words < best->n_words ||
	    (m.n_words == best->n_words && best->exact && !m.exact))
		return;
	if (m.n_words == best->n_words && m.exact == best->exact)
		m.n_hits += best->n_hits;
	*best = m;
}

static struct match
find_command(char **argv, int argc)
{
	struct match m = {0};

	for (size_t i = 0; i < countof(locals); i++)
		consider(&m,
		    (struct match){
			.words = locals[i].words, .args = locals[i].args, .local = locals[i].local},
		    argv, argc);
	for (size_t i = 0; i < ctl_n_rows(); i++) {
		const struct ctl_row *row = ctl_row_at(i);
		consider(&m, (struct match){.words = row->words, .args = row->args, .row = row},
		    argv, argc);
		for (size_t k = 0; k < countof(shorts); k++)
			if (strcmp(shorts[k].meant, row->words) == 0)
				consider(&m,
				    (struct match){
					.words = shorts[k].words, .args = row->args, .row = row},
				    argv, argc);
	}
	return m;
}

/* "1w2d3h4m5s" or plain seconds */
static bool
parse_age(struct str s, char text[16])
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{'w', 604800}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
	uint64_t total = 0;

	if (s.len == 0)
		return false;
	while (s.len > 0) {
		size_t digits = 0;
		uint32_t n, unit = 0;
		while (digits < s.len && ascii_is_digit(s.p[digits]))
			digits++;
		if (!parse_u32(str_sub(s, 0, digits), 0, 10000000, &n))
			return false;
		if (digits == s.len)
			unit = 1;
		for (size_t i = 0; digits < s.len && i < countof(units); i++)
			unit = s.p[digits] == units[i].unit ? units[i].seconds : unit;
		if (unit == 0)
			return false;
		total += (uint64_t)n * unit;
		s = str_skip(s, digits + 1);
	}
	snprintf(text, 16, "%lu", PH_MIN(total, (uint64_t)4000000000));
	return true;
}

static void
add_flag(struct options *o, const char *name)
{
	if (o->flags[0] != '\0')
		strlcat(o->flags, ",", sizeof o->flags);
	strlcat(o->flags, name, sizeof o->flags);
	o->args[ARG_FLAGS] = str_of(o->flags);
}

bool
options_flag(const struct options *o, const char *name)
{
	return ctl_has_flag(o->args[ARG_FLAGS], name);
}

static int
read_number(struct options *o, struct str name, struct str value, struct why *why)
{
	if (str_eq(name, STR("connect"))) {
		if (!parse_u32(value, 1, 100, &o->n_connect))
			return why_set(why, "--connect is a number from 1 to 100.");
		add_flag(o, "connect");
		return 0;
	}
	if (str_eq(name, STR("maxitems"))) {
		if (!parse_u32(value, 1, UINT32_MAX, &o->max))
			return why_set(why, "--maxitems is a number from 1.");
		return 0;
	}
	if (!parse_age(value, o->age))
		return why_set(why, "--%.*s is a time such as 90s, 2h or 1d12h.", STR_ARG(name));
	o->args[ARG_OLDER] = str_of(o->age);
	return 0;
}

static int
read_named(struct options *o, struct str opt, struct why *why)
{
	size_t eq = str_find(opt, '=');
	struct str name = eq == STR_NPOS ? opt : str_sub(opt, 0, eq);
	struct str value = eq == STR_NPOS ? STR("") : str_skip(opt, eq + 1);

	if (eq != STR_NPOS && (str_eq(name, STR("maxitems")) || str_eq(name, STR("older-than")) ||
				  str_eq(name, STR("for")) || str_eq(name, STR("reenable-after")) ||
				  str_eq(name, STR("connect"))))
		return read_number(o, name, value, why);
	for (size_t i = 0; i < countof(named); i++) {
		if (!str_ieq(name, str_of(named[i].name)) || named[i].is_flag != (eq == STR_NPOS))
			continue;
		if (named[i].is_flag)
			add_flag(o, named[i].name);
		else
			o->args[named[i].arg] = value;
		return 0;
	}
	return why_set(
	    why, "There is no option --%.*s; see \"pmtactl help\".", STR_ARG(str_sub(opt, 0, 100)));
}

/* does this command have it? */
static int
check_option(const struct match *m, struct str arg, struct why *why)
{
	struct str name = str_sub(arg, 0, str_find(arg, '='));
	size_t at = 0, found;

	while ((found = str_find_str(str_skip(str_of(m->args), at), name)) != STR_NPOS) {
		char next = m->args[at + found + name.len];
		if (next != '\0' && strchr("=]|[ ", next) != NULL)
			return 0;
		at += found + 1;
	}
	return why_set(why, "\"%s\" has no option %.*s.", m->words, STR_ARG(str_sub(name, 0, 100)));
}

static bool
read_form(struct options *o, struct str opt)
{
	static const struct {
		const char *name;
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

struct sorted {
	char *words[MAX_WORDS], *opts[MAX_WORDS];
	int n_words, n_opts;
};

/* splits argv into words and options; -c, -s and the form are dealt with here */
static void
sort_out(int argc, char **argv, struct sorted *s, struct options *o)
{
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		struct str a = str_of(argv[i]);
		bool takes_value = str_eq(a, STR("-c")) || str_eq(a, STR("-s"));
		if (!only_words && takes_value && i + 1 < argc) {
			*(a.p[1] == 'c' ? &o->config : &o->socket) = argv[i + 1];
			i++;
		} else if (!only_words && str_eq(a, STR("--"))) {
			only_words = true;
		} else if (!only_words && str_has_prefix(a, STR("--"))) {
			if (!read_form(o, str_skip(a, 2)))
				s->opts[s->n_opts++] = argv[i];
		} else
			s->words[s->n_words++] = argv[i];
	}
}

/* what a request cannot carry is told here; NUL cannot be in an argument */
static int
check_texts(int argc, char **argv, struct why *why)
{
	for (int i = 1; i < argc; i++) {
		struct str a = str_of(argv[i]);
		if (a.len > MAX_ARGUMENT)
			return why_set(why, "An argument of %zu bytes is too long.", a.len);
		for (size_t k = 0; k < a.len; k++) {
			if ((unsigned char)a.p[k] < 0x20 || a.p[k] == 0x7f)
				return why_set(why, "An argument holds a control character.");
		}
	}
	return 0;
}

static int
read_target(const struct match *m, const struct sorted *s, struct options *o, struct why *why)
{
	struct str rest = str_of(m->args), w;
	int takes = 0, given = s->n_words - m->n_words;

	while (str_next_word(&rest, &w))
		takes += !str_has_prefix(w, STR("[--")) && !str_has_prefix(w, STR("--"));
	if (given > takes)
		return why_set(
		    why, "\"%.100s\" is one argument too many.", s->words[m->n_words + takes]);
	/* of two the first is an address */
	if (takes == 2 && given > 0) {
		o->args[ARG_SOURCE] = str_of(s->words[m->n_words]);
		if (given == 2)
			o->args[ARG_TARGET] = str_of(s->words[m->n_words + 1]);
		return 0;
	}
	if (given == 0)
		return 0;
	/* and of three the last is a sender */
	if (takes == 3) {
		static const enum ctl_arg places[] = {ARG_SOURCE, ARG_TARGET, ARG_RCPT};
		for (int i = 0; i < given; i++)
			o->args[places[i]] = str_of(s->words[m->n_words + i]);
		return 0;
	}
	if (m->row != NULL && m->row->command == CTL_SET_PRIORITY) {
		o->args[ARG_PRIORITY] = str_of(s->words[m->n_words]);
		return 0;
	}
	if (o->args[ARG_TARGET].len > 0)
		return why_set(why, "Say the queue once.");
	o->args[ARG_TARGET] = str_of(s->words[m->n_words]);
	return 0;
}

static int
read_arguments(const struct match *m, const struct sorted *s, struct options *o, struct why *why)
{
	for (int i = 0; i < s->n_opts; i++) {
		struct str a = str_of(s->opts[i]);
		if (read_named(o, str_skip(a, 2), why) == -1 || check_option(m, a, why) == -1)
			return -1;
	}
	return read_target(m, s, o, why);
}

int
options_read(int argc, char **argv, struct options *o, struct why *why)
{
	struct sorted s = {.n_words = 0};
	struct match m;

	*o = (struct options){.config = DEFAULT_CONFIG};
	if (argc > MAX_WORDS)
		return why_set(why, "Too many arguments.");
	if (check_texts(argc, argv, why) == -1)
		return -1;
	sort_out(argc, argv, &s, o);
	if (s.n_opts > 0 && str_eq(str_of(s.opts[0]), STR("--help"))) {
		o->local = LOCAL_HELP;
		return 0;
	}
	if (s.n_words == 0)
		return why_set(why, "Say what to do; see \"pmtactl help\".");
	m = find_command(s.words, s.n_words);
	if (m.n_hits == 0)
		return why_set(why, "There is no command \"%.100s%s%.100s\"; see \"pmtactl help\".",
		    s.words[0], s.n_words > 1 ? " " : "", s.n_words > 1 ? s.words[1] : "");
	if (m.n_hits > 1)
		return why_set(why, "\"%.100s\" may mean several commands; write more of it.",
		    s.words[m.n_words - 1]);
	o->row = m.row;
	o->local = m.local;
	o->words = m.words;
	if (m.row != NULL && m.row->command == CTL_CAT)
		o->local = LOCAL_CAT;
	if (m.row != NULL && m.row->command == CTL_RESOLVE)
		o->local = LOCAL_RESOLVE;
	if (m.row != NULL && m.row->command == CTL_SUPPRESSION_EXPORT)
		o->local = LOCAL_EXPORT;
	if (m.row != NULL && m.row->command == CTL_SUPPRESSION_IMPORT)
		o->local = LOCAL_IMPORT;
	if (m.row != NULL && (m.row->command == CTL_TAIL || m.row->command == CTL_TRACE))
		o->local = LOCAL_STREAM;
	return read_arguments(&m, &s, o, why);
}

void
options_help(FILE *out)
{
	fprintf(out, "usage: pmtactl [-c FILE] [-s SOCKET] [--json|--xml|--dom] COMMAND\n\n");
	for (size_t i = 0; i < countof(locals); i++)
		fprintf(
		    out, "  %s %s\n      %s\n", locals[i].words, locals[i].args, locals[i].help);
	for (size_t i = 0; i < ctl_n_rows(); i++)
		fprintf(out, "  %s %s\n      %s\n", ctl_row_at(i)->words, ctl_row_at(i)->args,
		    ctl_row_at(i)->help);
}

bool
options_command(size_t i, const char **words, const char **args)
{
	if (i < countof(locals)) {
		*words = locals[i].words;
		*args = locals[i].args;
		return true;
	}
	if (i - countof(locals) >= ctl_n_rows())
		return false;
	*words = ctl_row_at(i - countof(locals))->words;
	*args = ctl_row_at(i - countof(locals))->args;
	return true;
}
