/* Replies of strangers against the shipped rules: a category always comes, and what the rules see is one clean line. */
#include <assert.h>

#include "lib/classify/classify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
tell(void *arg, uint32_t line, const struct why *why)
{
	assert(line == UINT32_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct classifier *c;
	struct failure f = {.code = 550};
	char seen[CLASSIFY_MAX_TEXT];
	size_t n;

	if (c == NULL)
		c = classifier_new(classify_rules(), tell, NULL);
	if (size < 4)
		return 0;
	f.code = (uint16_t)(data[0] * 4);
	f.enh[0] = data[1];
	f.enh[1] = data[2];
	f.enh[2] = data[3];
	f.text = str_from((const char *)data + 4, size - 4);
	f.mta = str_sub(f.text, 0, 40);
	assert(classify(c, &f).category[0] != '\0');
	n = classify_normalise(f.text, seen, sizeof seen);
	assert(n < sizeof seen && seen[n] == '\0');
	for (size_t i = 0; i < n; i++)
		assert((unsigned char)seen[i] >= ' ' && seen[i] != 127);
	return 0;
}
