/*
 * Writes posthaste.conf(5), the manual page of the configuration file, to standard output: the grammar from the
 * texts below, blocks and directives from their tables.
 */
#include <ctype.h>

#include "lib/conf/conf_int.h"

static const char head[] =
    ".\\\" made by man/conf_manual.c from lib/conf/blocks.def, directives.def and aliases.def\n"
    ".Dd November 21, 2026\n"
    ".Dt POSTHASTE.CONF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm posthaste.conf\n"
    ".Nd configuration file of the Posthaste mail server\n"
    ".Sh SYNOPSIS\n"
    ".Pa /etc/pmta/config\n"
    ".Sh DESCRIPTION\n"
    "The file says who may send, from which addresses and under which names mail leaves, how "
    "gently each\n"
    "destination is treated, and what is written about it.\n"
    "It has the form of PowerMTA's configuration file.\n"
    ".Pp\n"
    "It is UTF-8 text with one directive a line: a word and its arguments, parted by blanks.\n"
    "Directives may stand in blocks:\n"
    ".Bd -literal -offset indent\n"
    "<domain example.com>\n"
    "\tmax-smtp-out 5      # connections\n"
    "\tretry-after 10m, 30m, 1h\n"
    "</domain>\n"
    ".Ed\n"
    ".Bl -bullet\n"
    ".It\n"
    "A\n"
    ".Sq #\n"
    "begins a comment anywhere but in double quotes; in a\n"
    ".No / Ns Ar pattern Ns /\n"
    "write\n"
    ".Li \\ex23\n"
    "for it.\n"
    "Text between\n"
    ".Li <!--\n"
    "and\n"
    ".Li -->\n"
    "is a comment too, over lines if need be.\n"
    ".It\n"
    "Words are told apart without regard to case.\n"
    ".It\n"
    "Arguments with blanks stand in double quotes, where\n"
    ".Li \\e\\(dq\n"
    "and\n"
    ".Li \\e\\e\n"
    "mean the characters themselves.\n"
    "An empty pair of quotes clears what would be inherited.\n"
    ".It\n"
    "Items of lists are parted by commas.\n"
    "A list of\n"
    ".Ic domain-macro\n"
    "that ends in a comma goes on in the next line.\n"
    ".It\n"
    "A directive may also be written\n"
    ".Li <max-smtp-out>5</max-smtp-out> ,\n"
    "and the name of a block as an attribute,\n"
    ".Li <domain name=\\(dqexample.com\\(dq> .\n"
    ".El\n"
    ".Pp\n"
    ".Ic include Ar file\n"
    "may stand in any block; the file's lines take its place.\n"
    "The name may have wildcards, whose files are read in the order of their names, and is "
    "relative to the\n"
    "folder of the file that includes it.\n"
    "If the server is started by root, no file may be writable by others than its owner.\n"
    ".Pp\n"
    "Every error is reported with file, line and column, and where a word is not known with the "
    "nearest one that is.\n"
    "A file with an error is not taken, and a running server keeps the configuration it has.\n"
    ".Ss Units\n"
    ".Bl -tag -width indent\n"
    ".It Ar TIME\n"
    "numbers with\n"
    ".Cm w , d , h , m\n"
    "or\n"
    ".Cm s\n"
    "behind them, such as\n"
    ".Li 1d12h ;\n"
    "some take\n"
    ".Cm never .\n"
    ".It Ar SIZE\n"
    "a number of bytes, or with\n"
    ".Cm k , m , g\n"
    "or\n"
    ".Cm t\n"
    "behind it of 1024 to the power of one to four.\n"
    ".It Ar RATE\n"
    "a number, a slash, and a period:\n"
    ".Li 500/m ,\n"
    ".Li 100/15m .\n"
    "The periods are\n"
    ".Cm s , m , h , d\n"
    "and\n"
    ".Cm w ,\n"
    "also written\n"
    ".Cm sec , min , hr , day .\n"
    ".It Ar VOLUME\n"
    "a size, a slash, and a period:\n"
    ".Li 12M/m .\n"
    ".It Ar CIDR\n"
    "an address, or a block such as\n"
    ".Li 10.0.0.0/8 ;\n"
    ".Li 0/0\n"
    "is every address.\n"
    ".El\n"
    ".Ss Domain patterns\n"
    "The name of a\n"
    ".Li <domain>\n"
    "block is one or more of\n"
    ".Bl -tag -width indent -compact\n"
    ".It Ar name\n"
    "this domain\n"
    ".It Li *. Ns Ar name\n"
    "the domains below it\n"
    ".It Li [*.] Ns Ar name\n"
    "both\n"
    ".It Li \\&[ Ns Ar CIDR Ns Li \\&]\n"
    "address literals in this block\n"
    ".It Li *\n"
    "everything.\n"
    ".El\n"
    ".Pp\n"
    "In them\n"
    ".Li $ Ns Ar name\n"
    "stands for each domain that\n"
    ".Ic domain-macro\n"
    "lists under that name.\n"
    ".Pp\n"
    "The most specific pattern wins, whatever the order in the file, and less specific ones fill "
    "in what it leaves\n"
    "open; a name that is written out beats one made by a macro.\n"
    "For mail of a VirtualMTA the blocks inside of\n"
    ".Li <virtual-mta>\n"
    "come before those in its\n"
    ".Li <virtual-mta-pool> ,\n"
    "and these before those outside.\n"
    ".Ss Clients\n"
    "The name of a\n"
    ".Li <source>\n"
    "block is a CIDR block, where the most specific wins and others fill in, or a name such as\n"
    ".Li {auth} ,\n"
    "which holds where a listener or user asks for it and goes before the addresses.\n"
    ".Ss Replies and patterns\n"
    "A\n"
    ".Ic reply\n"
    "line of a\n"
    ".Li <smtp-pattern-list>\n"
    "names one or more actions:\n"
    ".Cm mode=backoff ,\n"
    ".Cm mode=normal ,\n"
    ".Cm skip-mx ,\n"
    ".Cm bounce-queue ,\n"
    ".Cm bounce-rcpt ,\n"
    ".Cm defer-queue ,\n"
    ".Cm disable-source-ip\n"
    "with\n"
    ".Cm reenable-after= Ns Ar TIME\n"
    "behind it or without, and\n"
    ".Cm backoff-to-normal-after= Ns Ar TIME\n"
    "behind\n"
    ".Cm mode=backoff .\n"
    "A line of a\n"
    ".Li <pattern-list>\n"
    "ends in choices:\n"
    ".Cm virtual-mta= Ns Ar NAME ,\n"
    ".Cm recipient-priority= Ns Ar N\n"
    "from 0 to 100,\n"
    ".Cm call-to :\n"
    ".Ar NAME\n"
    "of another list, or a\n"
    ".Li <pattern-list>\n"
    "of its own that follows.\n"
    ".Sh BLOCKS AND DIRECTIVES\n"
    "What is accepted but not honoured in this version is marked, and said once when the file is "
    "read.\n"
    "Where lines of a directive add up, each line adds to those before; elsewhere the last one "
    "holds.\n";

static const char tail[] = ".Sh FILES\n"
			   ".Bl -tag -width /etc/pmta/config -compact\n"
			   ".It Pa /etc/pmta/config\n"
			   "the configuration\n"
			   ".It Pa /usr/share/posthaste/config.sample\n"
			   "one to begin with\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "The least that works: this machine's programs may send.\n"
			   ".Bd -literal -offset indent\n"
			   "log-file /var/log/pmta/pmta.log\n"
			   "smtp-listener 127.0.0.1:25\n"
			   "<spool /var/spool/pmta>\n"
			   "</spool>\n"
			   "<source 127/8>\n"
			   "\talways-allow-relaying yes\n"
			   "</source>\n"
			   "<acct-file /var/log/pmta/acct.csv>\n"
			   "\trecords d, b\n"
			   "</acct-file>\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr pmtactl 8 ,\n"
			   ".Xr posthaste 8\n";

static const char *const type_syntax[] = {
    [CONF_TYPE_BOOL] = "yes|no",
    [CONF_TYPE_NUMBER] = "N",
    [CONF_TYPE_SIZE] = "SIZE",
    [CONF_TYPE_TIME] = "TIME",
    [CONF_TYPE_TIMES] = "TIME,...",
    [CONF_TYPE_RATE] = "RATE",
    [CONF_TYPE_VOLUME] = "VOLUME",
    [CONF_TYPE_WORD] = "",
    [CONF_TYPE_WHEN] = "",
    [CONF_TYPE_STR] = "TEXT",
    [CONF_TYPE_LIST] = "TEXT,...",
    [CONF_TYPE_WORDS] = "TEXT ...",
    [CONF_TYPE_LINE] = "",
};

/* Kinds of arguments whose names in the table say too little. */
static const struct {
	const char *kind, *shown;
} kinds[] = {
    {"KEYSPEC", "SELECTOR,DOMAIN,FILE"},
    {"RESULT", "CHOICE,..."},
    {"ACTIONS", "ACTION,..."},
    {"HOSTS", "HOST,...;HOST,..."},
    {"FIELDS", "FIELD,..."},
    {"TARGETS", "ADDRESS,..."},
    {"DOMAINS", "DOMAIN,..."},
    {"REST", "TEXT"},
    {"REGEX", "/PATTERN/"},
    {"ADDRPORT", "ADDRESS[:PORT]"},
    {"HOSTPORT", "HOST:PORT"},
};

static void
put_syntax(const char *syntax)
{
	struct str rest = str_of(syntax), word;

	for (bool is_first = true; str_next_word(&rest, &word); is_first = false) {
		if (!is_first)
			putchar(' ');
		for (size_t i = 0; i < countof(kinds); i++)
			if (str_eq(str_of(kinds[i].kind), word))
				word = str_of(kinds[i].shown);
		printf("%.*s", STR_ARG(word));
	}
}

/* Text of a line that is no macro. */
static void
put_text(const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", stdout);
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
}

/* An argument of a macro, in quotes. */
static void
put_arg(const char *s)
{
	fputs("\"", stdout);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			fputs("\\(dq", stdout);
		else if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
	}
	fputs("\"", stdout);
}

static bool
is_quantity(enum conf_type t)
{
	return t == CONF_TYPE_NUMBER || t == CONF_TYPE_SIZE || t == CONF_TYPE_TIME ||
	       t == CONF_TYPE_TIMES;
}

/* The words that a quantity may be instead, and its bounds on a line of their own. */
static void
put_words(const struct conf_row *row)
{
	struct str rest = str_of(row->syntax), word;

	while (rest.len > 0 && str_next(&rest, '|', &word))
		if (word.len > 0 && !ascii_is_digit(word.p[0]))
			printf("|%.*s", STR_ARG(word));
}

static void
put_bounds(const struct conf_row *row)
{
	struct str first = str_sub(str_of(row->syntax), 0, str_find(str_of(row->syntax), '|')), min,
		   max;
	size_t dash = str_find(first, '-');

	if (is_quantity(row->type) && strncmp(row->syntax, "0|", 2) == 0)
		fputs("0 means no limit.\n", stdout);
	if (!is_quantity(row->type) || dash == STR_NPOS)
		return;
	min = str_sub(first, 0, dash);
	max = str_skip(first, dash + 1);
	if (max.len > 0)
		printf("From %.*s to %.*s.\n", STR_ARG(min), STR_ARG(max));
	else if (!str_eq(min, STR("0")))
		printf("At least %.*s.\n", STR_ARG(min));
}

static void
put_item(const struct conf_row *row)
{
	fputs(".It Ic ", stdout);
	put_arg(row->name[0] == '(' ? "" : row->name);
	fputs(" Ar \"", stdout);
	if (is_quantity(row->type)) {
		fputs(type_syntax[row->type], stdout);
		put_words(row);
	} else if (row->type == CONF_TYPE_LIST && row->syntax[0] != '\0')
		printf("%s,...", row->syntax);
	else
		put_syntax(row->syntax[0] != '\0' ? row->syntax : type_syntax[row->type]);
	fputs("\"\n", stdout);
}

/* With a capital letter and a full stop. */
static void
put_sentence(const char *s)
{
	char first[2] = {(char)toupper((unsigned char)*s), '\0'};

	put_text(first);
	put_text(s + 1);
	fputs(".\n", stdout);
}

static void
put_directive(const struct conf_row *row)
{
	put_item(row);
	if (row->status == CONF_IGNORED)
		fputs("Accepted and ignored: ", stdout);
	if (row->status == CONF_IGNORED) {
		put_text(row->help);
		fputs(".\n", stdout);
		return;
	}
	put_sentence(row->help);
	put_bounds(row);
	if (row->dflt[0] == '=')
		printf("Default: as\n.Ic %s .\n", row->dflt + 1);
	else if (row->dflt[0] != '\0') {
		fputs("Default:\n.Li ", stdout);
		put_arg(row->dflt);
		fputs(" .\n", stdout);
	}
	if (row->merge == CONF_APPEND)
		fputs("Lines add up.\n", stdout);
	if (row->reload == CONF_RESTART)
		fputs("A change takes a restart.\n", stdout);
	if (row->status == CONF_NOT_YET)
		fputs("Not yet honoured.\n", stdout);
	else if (row->status == CONF_DEPRECATED)
		fputs("Deprecated.\n", stdout);
}

static void
put_alias(const struct conf_alias *a)
{
	const struct conf_row *row = conf_row(a->key);

	printf(".It Ic %s\nThe same as\n.Ic %s", a->name, row->name);
	if (row->block == CONF_BLOCK_GLOBAL && a->block != CONF_BLOCK_GLOBAL)
		printf("\noutside of blocks.\n");
	else if (a->help[0] != '\0' && a->status == CONF_HONOURED)
		printf("\n%s.\n", a->help);
	else
		printf(" .\n");
	if (a->status == CONF_DEPRECATED)
		printf("Deprecated: %s.\n", a->help);
}

static void
put_name(enum conf_block b)
{
	const struct conf_block_row *row = conf_block_row(b);
	static const char *const names[] = {[CONF_NAME_NONE] = "",
	    [CONF_NAME_ONE] = " name",
	    [CONF_NAME_MAYBE] = " [name]",
	    [CONF_NAME_SOME] = " pattern ...",
	    [CONF_NAME_RAW] = " file"};

	if (b == CONF_BLOCK_GLOBAL) {
		fputs(".Ss Outside of blocks\n", stdout);
		return;
	}
	printf(".Ss <%s%s>\n", row->tag, names[row->naming]);
	put_sentence(row->help);
	if (row->many == CONF_LAST)
		fputs("Of several with the same name the last one holds.\n", stdout);
	fputs("It stands", stdout);
	for (unsigned p = 0, n = 0; p < CONF_N_BLOCKS; p++)
		if (conf_block_has((enum conf_block)p, b)) {
			fputs(n++ == 0 ? " " : ", or ", stdout);
			if (p == CONF_BLOCK_GLOBAL)
				fputs("outside of other blocks", stdout);
			else
				printf("in <%s>", conf_block_row((enum conf_block)p)->tag);
		}
	fputs(".\n", stdout);
}

static void
put_block(enum conf_block b)
{
	const struct conf_alias *a;

	put_name(b);
	fputs(".Bl -tag -width indent\n", stdout);
	for (enum conf_key k = CONF_NONE; (k = conf_next_key(b, k)) != CONF_NONE;)
		put_directive(conf_row(k));
	for (size_t i = 0; (a = conf_alias_at(i)) != NULL; i++)
		if (a->block == b)
			put_alias(a);
	fputs(".El\n", stdout);
}

/* Lines outside of blocks that are short for a block. */
static const char shorthands[] =
    ".Bl -tag -width indent\n"
    ".It Ic spool Ar directory\n"
    "The same as a\n"
    ".Li <spool>\n"
    "block without directives.\n"
    ".It Ic smtp-listener Ar CIDR : Ns Ar port Op Cm source= Ns Ar name\n"
    "The same as a\n"
    ".Li <smtp-listener>\n"
    "block with that source.\n"
    "Without any, every address listens on port 25.\n"
    ".It Ic bounce-patterns Ar file\n"
    "The file's lines are those of a\n"
    ".Li <bounce-category-patterns>\n"
    "block.\n"
    ".It Ic bounce-pipe Ar command\n"
    "The same as\n"
    ".Li \"<acct-file |command>\"\n"
    "with records b and rb.\n"
    ".It Ic acct-smtp-file Ar file\n"
    ".It Ic acct-smtp-format Ar fields\n"
    "The same as an\n"
    ".Li <acct-file>\n"
    "with records d, b and t and these fields.\n"
    ".El\n";

int
main(void)
{
	fputs(head, stdout);
	for (unsigned b = 0; b < CONF_N_BLOCKS; b++) {
		put_block((enum conf_block)b);
		if (b == CONF_BLOCK_GLOBAL)
			fputs(shorthands, stdout);
	}
	fputs(tail, stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
