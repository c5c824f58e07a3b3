#include "lib/conf/conf_int.h"

bool
conf_arg(struct str value, size_t i, char *out, size_t size)
{
	struct conf_pool_mem mem = {0};
	struct conf_word w;
	bool is_there;

	while ((is_there = conf_lex_word(&mem, &value, '\0', &w)) && i-- > 0)
		;
	is_there = is_there && str_copy(out, size, w.text) < size;
	if (!is_there)
		out[0] = '\0';
	conf_mem_clear(&mem);
	return is_there;
}
