/*
 * Values of strangers in a command line: the first line is the command line, each further one a value in turn.
 * Whatever they hold, the number of words and what the configuration wrote in them stay the same, and no value begins
 * an option.
 */
#include <assert.h>

#include "lib/command/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct str none[COMMAND_VALUES];
	static struct command_words bare, full;
	struct str rest = str_from((const char *)data, size), line, values[COMMAND_VALUES];
	struct why why;
	bool is_good, is_filled;

	if (size == 0 || !str_next(&rest, '\n', &line))
		return 0;
	for (size_t i = 0; i < COMMAND_VALUES; i++)
		if (!str_next(&rest, '\n', &values[i]))
			values[i] = STR("");
	is_good = command_split(line, none, &bare, &why);
	is_filled = command_split(line, values, &full, &why);
	/* what is no command without values, the configuration's check refuses */
	if (!is_filled || !is_good)
		return 0;
	assert(full.n == bare.n);
	assert(full.n > 0 && full.n <= COMMAND_MAX_WORDS && full.word[full.n] == NULL);
	for (size_t i = 0; i < full.n; i++) {
		assert(full.word[i] >= full.bytes &&
		       full.word[i] + strlen(full.word[i]) < full.bytes + sizeof full.bytes);
		if (full.word[i][0] == '-')
			assert(bare.word[i][0] == '-');
	}
	return 0;
}
