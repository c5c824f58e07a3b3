#include "lib/ctl/commands.h"

static const struct ctl_row rows[] = {
#define COMMAND(id, number, words, args, n_args, rights, help)                                     \
	{CTL_##id, CTL_RIGHT_##rights, words, args, help},
#include "lib/ctl/commands.def"
#undef COMMAND
};

size_t
ctl_n_rows(void)
{
	return countof(rows);
}

const struct ctl_row *
ctl_row_at(size_t i)
{
	return &rows[i];
}

const struct ctl_row *
ctl_row_of(uint32_t command)
{
	for (size_t i = 0; i < countof(rows); i++) {
		if (rows[i].command == (enum ctl_command)command)
			return &rows[i];
	}
	return NULL;
}

bool
ctl_has_flag(struct str flags, const char *word)
{
	struct str piece;

	while (str_next(&flags, ',', &piece)) {
		if (str_eq(piece, str_of(word)))
			return true;
	}
	return false;
}
