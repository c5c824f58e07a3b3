#include "pmtactl/completion.h"

#include "pmtactl/options.h"

/*
 * Each script has the table of commands as lines "words|options" between its first and its last part. Words hold only
 * letters, digits and "-". What was typed is matched in the same way in all of them: the next word of each command that
 * begins with the words so far, and the options of one whose words are all there.
 */
static const char bash_begin[] =
    "# completion of pmtactl and pmta, made by \"pmtactl completion bash\"\n"
    "_pmtactl_commands() {\n"
    "\tcat <<'EOF'\n";
static const char bash_end[] =
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

/* its file is the function when zsh loads it by itself, and makes it known when it is read */
static const char zsh_begin[] =
    "#compdef pmtactl pmta\n"
    "# completion of pmtactl and pmta, made by \"pmtactl completion zsh\"\n"
    "_pmtactl_commands() {\n"
    "\tcat <<'EOF'\n";
static const char zsh_end[] =
    "EOF\n"
    "}\n"
    "_pmtactl() {\n"
    "\temulate -L zsh\n"
    "\tlocal typed='' word line options i\n"
    "\tlocal -aU found\n"
    "\tfor ((i = 2; i < CURRENT; i++)); do\n"
    "\t\tword=$words[i]\n"
    "\t\tcase $word in\n"
    "\t\t-c | -s) ((i++)) ;;\n"
    "\t\t-*) ;;\n"
    "\t\t*) typed=\"$typed$word \" ;;\n"
    "\t\tesac\n"
    "\tdone\n"
    "\tif [[ $words[CURRENT-1] == -[cs] ]]; then\n"
    "\t\t_files\n"
    "\t\treturn\n"
    "\tfi\n"
    "\twhile IFS='|' read -r line options; do\n"
    "\t\tif [[ \"$line \" == \"$typed\"* && \"$line \" != \"$typed\" ]]; then\n"
    "\t\t\tline=${line#\"$typed\"}\n"
    "\t\t\tfound+=(${line%% *})\n"
    "\t\telif [[ \"$typed\" == \"$line \"* ]]; then\n"
    "\t\t\tfound+=(${=options})\n"
    "\t\tfi\n"
    "\tdone < <(_pmtactl_commands)\n"
    "\t[[ -n $typed ]] || found+=(-c -s --json --xml --dom)\n"
    "\tcompadd -- ${found:#*=}\n"
    "\tcompadd -S '' -- ${(M)found:#*=}\n"
    "}\n"
    "if [[ $funcstack[1] == _pmtactl ]]; then\n"
    "\t_pmtactl \"$@\"\n"
    "else\n"
    "\tcompdef _pmtactl pmtactl pmta\n"
    "fi\n";

static const char fish_begin[] =
    "# completion of pmtactl and pmta, made by \"pmtactl completion fish\"\n"
    "function __pmtactl_commands\n"
    "    printf '%s\\n' \\\n";
static const char fish_end[] =
    "        ''\n"
    "end\n"
    "function __pmtactl_complete\n"
    "    set -l given (commandline -opc)\n"
    "    set -l typed ''\n"
    "    set -l is_value 0\n"
    "    for word in $given[2..]\n"
    "        if test $is_value = 1\n"
    "            set is_value 0\n"
    "        else if contains -- $word -c -s\n"
    "            set is_value 1\n"
    "        else if not string match -q -- '-*' $word\n"
    "            set typed \"$typed$word \"\n"
    "        end\n"
    "    end\n"
    "    if test $is_value = 1\n"
    "        __fish_complete_path (commandline -ct)\n"
    "        return\n"
    "    end\n"
    "    for row in (__pmtactl_commands)\n"
    "        set -l parts (string split -m 1 '|' -- $row)\n"
    "        set -l words \"$parts[1] \"\n"
    "        if string match -q -- \"$typed?*\" $words\n"
    "            set -l rest (string sub -s (math 1 + (string length -- \"$typed\")) -- $words)\n"
    "            string split -f 1 ' ' -- $rest\n"
    "        else if string match -q -- \"$words*\" $typed\n"
    "            string split -n ' ' -- $parts[2]\n"
    "        end\n"
    "    end\n"
    "    if test -z \"$typed\"\n"
    "        printf '%s\\n' -c -s --json --xml --dom\n"
    "    end\n"
    "end\n"
    "for name in pmtactl pmta\n"
    "    complete -c $name -f -k -a '(__pmtactl_complete | sort -u)'\n"
    "end\n";

static const struct {
	const char *begin, *before, *behind, *end;
} shells[] = {
    [COMPLETION_BASH] = {bash_begin, "", "\n", bash_end},
    [COMPLETION_ZSH] = {zsh_begin, "", "\n", zsh_end},
    [COMPLETION_FISH] = {fish_begin, "        '", "' \\\n", fish_end},
};

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
completion_print(enum completion shell, FILE *out)
{
	const char *words, *args;

	fputs(shells[shell].begin, out);
	for (size_t i = 0; options_command(i, &words, &args); i++) {
		fprintf(out, "%s%s|", shells[shell].before, words);
		print_options(args, out);
		fputs(shells[shell].behind, out);
	}
	fputs(shells[shell].end, out);
}
