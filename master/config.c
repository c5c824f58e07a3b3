#include "master/master.h"

#include "lib/base/log.h"

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

struct conf *
config_load(const char *path, struct why *why)
{
	struct conf_messages list = {0};
	struct conf *c = conf_load(path, &list);
	size_t n_errors = 0;

	why_set(why, "%s cannot be read", path);
	for (size_t i = 0; i < list.n; i++) {
		config_say(list.list[i].is_error, list.list[i].text);
		if (list.list[i].is_error && n_errors++ == 0)
			why_set(why, "%s", list.list[i].text);
	}
	conf_messages_clear(&list);
	return c;
}
