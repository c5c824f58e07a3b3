#include "master/master.h"

#include "lib/base/log.h"
#include "lib/command/commands.h"
#include "lib/conf/diff.h"
#include "lib/conf/lines.h"

void
config_say(bool is_error, const char *text)
{
	if (master.log_fd == -1 || master.options.test)
		fprintf(stderr, "%s: %s\n", is_error ? "error" : "note", text);
	else if (is_error)
		log_error("configuration: %s", text);
	else
		log_info("configuration: %s", text);
}

/* Says what there is to say; *why is the first error. */
static void
say_all(struct conf_messages *list, const char *path, struct why *why)
{
	size_t n_errors = 0;

	why_set(why, "%s cannot be read", path);
	for (size_t i = 0; i < list->n; i++) {
		config_say(list->list[i].is_error, list->list[i].text);
		if (list->list[i].is_error && n_errors++ == 0)
			why_set(why, "%s", list->list[i].text);
	}
	conf_messages_clear(list);
}

static bool
has_words(enum command_kind kind)
{
	return kind == COMMAND_ACCT || kind == COMMAND_ALERT || kind == COMMAND_HANDLER ||
	       kind == COMMAND_PIPE;
}

/* A command that could never be started is told now, not when the first mail needs it. */
static void
note_commands(const struct conf *c)
{
	struct commands list;
	struct why why;
	char text[1024];

	if (c == NULL)
		return;
	commands_make(&list, c);
	for (size_t i = 0; i < list.n; i++) {
		const struct command *cmd = &list.list[i];
		if (!has_words(cmd->kind) || command_check(cmd->text, &why))
			continue;
		snprintf(text, sizeof text, "%s:%u: This command cannot be started: %s",
		    cmd->origin.file, cmd->origin.line, why.text);
		config_say(false, text);
	}
	commands_clear(&list);
}

struct conf *
config_load(const char *path, struct why *why)
{
	struct conf_messages list = {0};
	struct conf *c = conf_load(path, &list);

	say_all(&list, path, why);
	note_commands(c);
	return c;
}

/* ---- -t ---- */

/* tabs would be taken for the ends of fields */
static void
put_field(const char *text, char end)
{
	for (; *text != '\0'; text++)
		putchar((unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
	putchar(end);
}

static void
put_machine(const struct conf_line *line)
{
	put_field(line->file == NULL ? "" : line->file, '\t');
	printf("%u\t", line->line);
	put_field(conf_fate_name(line->fate), '\t');
	put_field(line->text, '\t');
	put_field(line->why, '\n');
}

/* `file` is the one of the line before */
static void
put_readable(const struct conf_line *line, const char *file)
{
	if (line->file != file)
		printf("%s\n", line->file == NULL ? "in general" : line->file);
	printf("%6u  %-16s  ", line->line, conf_fate_name(line->fate));
	put_field(line->text, '\n');
	if (line->why[0] == '\0')
		return;
	printf("%26s%s ", "", line->fate == CONF_FATE_TRANSLATED ? "=" : ":");
	put_field(line->why, '\n');
}

static void
put_counts(const struct conf_lines *lines)
{
	size_t n[CONF_N_FATES] = {0};

	for (size_t i = 0; i < lines->n; i++)
		n[lines->list[i].fate]++;
	printf("%zu statements", lines->n);
	for (unsigned f = 0; f < CONF_N_FATES; f++)
		if (n[f] > 0)
			printf(", %zu %s", n[f], conf_fate_name((enum conf_fate)f));
	putchar('\n');
}

static void
put_differences(const struct conf *old, const struct conf *now)
{
	struct conf_differences d;
	const char *where = "";

	conf_diff(old, now, &d);
	for (size_t i = 0; i < d.n; i++) {
		const struct conf_difference *one = &d.list[i];
		if (strcmp(one->where, where) != 0 && one->text[0] != '\0')
			printf("  %s\n", one->where);
		where = one->where;
		printf("%c %s%s\n", one->is_new ? '+' : '-',
		    where[0] != '\0' && one->text[0] != '\0' ? "\t" : "",
		    one->text[0] != '\0' ? one->text : one->where);
	}
	printf("%zu differences\n", d.n);
	conf_diff_clear(&d);
}

/* -d: the other one has to be right, too */
static struct conf *
compared(const struct options *o, struct conf *now, struct why *why)
{
	struct conf_messages list = {0};
	struct conf_lines lines;
	struct conf *old = conf_load_lines(o->other, o->any_address, &list, &lines);

	if (old != NULL && now != NULL)
		put_differences(old, now);
	if (old == NULL) {
		say_all(&list, o->other, why);
		conf_free(&now);
	}
	conf_messages_clear(&list);
	conf_lines_clear(&lines);
	conf_free(&old);
	return now;
}

struct conf *
config_test(const struct options *o, struct why *why)
{
	struct conf_messages list = {0};
	struct conf_lines lines;
	struct conf *c = conf_load_lines(o->config, o->any_address, &list, &lines);
	const char *file = NULL;

	if (o->lines) {
		for (size_t i = 0; i < lines.n; i++) {
			if (o->machine)
				put_machine(&lines.list[i]);
			else
				put_readable(&lines.list[i], file);
			file = lines.list[i].file;
		}
		conf_messages_clear(&list);
	} else
		say_all(&list, o->config, why);
	if (!o->machine)
		put_counts(&lines);
	conf_lines_clear(&lines);
	note_commands(c);
	if (o->other != NULL)
		c = compared(o, c, why);
	fflush(stdout);
	return c;
}
