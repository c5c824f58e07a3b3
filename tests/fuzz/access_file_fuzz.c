/* The monitor's access file: what is taken has names, hashes and roles; what is refused leaves nothing behind. */
#include <assert.h>

#include "lib/auth/access_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct access_file f;
	struct why why;

	if (access_file_parse(str_from((const char *)data, size), &f, &why) == -1) {
		assert(f.n == 0 && f.users == NULL && why.text[0] != '\0');
		return 0;
	}
	for (size_t i = 0; i < f.n; i++)
		assert(f.users[i].name[0] != '\0' && f.users[i].hash[0] == '$' &&
		       f.users[i].role >= 1 && f.users[i].role <= 3);
	access_file_clear(&f);
	return 0;
}
