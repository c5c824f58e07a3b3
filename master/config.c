#include "master/master.h"

#include "lib/base/log.h"

static void
say(const struct conf_message *m)
{
	if (master.log_fd == -1 || master.options.test)
		fprintf(stderr, "%s: %s\n", m->is_error ? "error" : "note", m->text);
	else if (m->is_error)
		log_error("configuration: %s", m->text);
	else
		log_info("configuration: %s", m->text);
}

struct conf *
config_load(const char *path, struct why *why)
{
	struct conf_messages list = {0};
	struct conf *c = conf_load(path, &list);
	size_t n_errors = 0;

	why_set(why, "%s cannot be read", path);
	for (size_t i = 0; i < list.n; i++) {
		say(&list.list[i]);
		if (list.list[i].is_error && n_errors++ == 0)
			why_set(why, "%s", list.list[i].text);
	}
	conf_messages_clear(&list);
	return c;
}
