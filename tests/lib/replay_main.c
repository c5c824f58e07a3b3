/* Stands in for a fuzzing engine: gives each file named on the command line to the target once. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/base.h"

#define INPUT_MAX (1024u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
replay(const char *path)
{
	uint8_t *data = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t n;

	if (f == NULL || data == NULL) {
		(void)fprintf(stderr, "cannot read %s\n", path);
		free(data);
		return false;
	}
	n = fread(data, 1, INPUT_MAX, f);
	(void)fclose(f);
	/* exactly as large as the input, so that a read beyond it is seen */
	exact = realloc(data, n == 0 ? 1 : n);
	if (exact != NULL)
		data = exact;
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
	return true;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!replay(argv[i]))
			return 1;
	}
	(void)printf("%d inputs\n", argc - 1);
	return 0;
}
