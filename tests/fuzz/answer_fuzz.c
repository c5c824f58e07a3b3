/*
 * An answer of the server as pmtactl takes and prints it: lines `path=value`, the kind in the first byte of each.
 */
#include <stdio.h>

#include "pmtactl/text.h"
#include "lib/ctl/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
add_line(struct tree *t, struct str line)
{
	size_t eq = str_find(line, '=');

	if (line.len < 3 || eq == STR_NPOS || eq < 2 || str_find(line, '\0') != STR_NPOS)
		return;
	if (tree_add(t, str_sub(line, 1, eq - 1), str_skip(line, eq + 1),
		(enum ctl_value)((unsigned char)line.p[0] % 4)) == -1)
		return;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = str_from((const char *)data, size), line;
	struct tree t;
	FILE *out = fopen("/dev/null", "w");

	tree_init(&t);
	while (size > 0 && str_next(&rest, '\n', &line))
		add_line(&t, line);
	if (out != NULL && t.n > 0) {
		tree_print_json(&t, out);
		tree_print_xml(&t, out);
		tree_make_printable(&t);
		tree_print_dom(&t, out);
		for (uint32_t c = 0; c < 50; c++)
			text_print((enum ctl_command)c, &t, out);
	}
	if (out != NULL)
		fclose(out);
	tree_clear(&t);
	return 0;
}
