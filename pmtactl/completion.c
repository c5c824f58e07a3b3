#include "pmtactl/completion.h"

#include "pmtactl/options.h"

/* the lines before and behind the table; words hold only letters, digits and "-" */
static const char begin[] =
    "# completion of pmtactl and pmta, made by \"pmtactl completion bash\"\n"
    "_pmtactl_commands() {\n"
    "\tcat <<'EOF'\n";
static const char end[] =
    "EOF\n"
    "}\n"
    "_pmtactl() {\n"
    "\tlocal current=${COMP_WORDS[COMP_CWORD]} typed='' word i line words options\n"
    "\tlocal -A found=()\n"
    "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
    "\t\tword=${COMP_WORDS[i]}\n"
    "\t\tcase $word in\n"
    "\t\t-c | -s) ((i++)) ;;\n"
    "\t\t=) ((i++)) ;;\n"
    "\t\t-*) ;;\n"
    "\t\t*) typed=\"$typed$word \" ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tif [[ ${COMP_WORDS[COMP_CWORD - 1]} == -[cs] ]]; then\n"
    "\t\tCOMPREPLY=()\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
    "\t\treturn\n"
    "\tfi\n"
    "\twhile IFS='|' read -r words options; do\n"
    "\t\tif [[ \"$words \" == \"$typed\"* && \"$words \" != \"$typed\" ]]; then\n"
    "\t\t\tline=${words:${#typed}}\n"
    "\t\t\tfound[${line%% *}]=1\n"
    "\t\tfi\n"
    "\t\tif [[ \"$typed\" == \"$words \"* ]]; then\n"
    "\t\t\tfor word in $options; do found[$word]=1; done\n"
    "\t\tfi\n"
    "\tdone < <(_pmtactl_commands)\n"
    "\t[[ -n $typed ]] || for word in -c -s --json --xml --dom; do found[$word]=1; done\n"
    "\tmapfile -t COMPREPLY < <(compgen -W \"${!found[*]}\" -- \"$current\")\n"
    "\t[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace\n"
    "}\n"
    "complete -F _pmtactl pmtactl pmta\n";

/* every "--name" and "--name=" of the arguments as the help shows them */
static void
print_options(const char *args, FILE *out)
{
	struct str rest = str_of(args);
	size_t at;

	while ((at = str_find_str(rest, STR("--"))) != STR_NPOS) {
		size_t n = 2;
		rest = str_skip(rest, at);
		while (n < rest.len && (ascii_is_alnum(rest.p[n]) || rest.p[n] == '-'))
			n++;
		fprintf(
		    out, "%.*s%s ", (int)n, rest.p, n < rest.len && rest.p[n] == '=' ? "=" : "");
		rest = str_skip(rest, n);
	}
}

void
completion_bash(FILE *out)
{
	const char *words, *args;

	fputs(begin, out);
	for (size_t i = 0; options_command(i, &words, &args); i++) {
		fprintf(out, "%s|", words);
		print_options(args, out);
		fputc('\n', out);
	}
	fputs(end, out);
}
