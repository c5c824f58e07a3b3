#include "injectd/world.h"

#include <unistd.h>

/* the envelope of the most recipients that a transaction may have, see txn.h */
#define SCRATCH_CAP (16u * 1024 * 1024)

void
world_init(struct world *w, const struct intake_ops *ops, void *ctx)
{
	memset(w, 0, sizeof *w);
	w->intake = ops;
	w->intake_ctx = ctx;
	buf_init(&w->scratch, SCRATCH_CAP);
	for (size_t i = 0; i < WORLD_MAX_DOORS; i++)
		w->door[i].type = STR("smtp");
	w->door[WORLD_DOOR_PICKUP] =
	    (struct door){.source = STR("{pickup}"), .type = STR("pickup")};
	w->door[WORLD_DOOR_API] =
	    (struct door){.source = STR("{transmissions-api}"), .type = STR("api")};
}

void
world_clear(struct world *w)
{
	buf_clear(&w->scratch);
	users_clear(&w->users);
}

void
world_use_conf(struct world *w, const struct conf *conf)
{
	struct str name = conf_str(conf_global(conf), CONF_GLOBAL_HOST_NAME);

	w->conf = conf;
	users_use_conf(&w->users, conf);
	if (name.len > 0 && name.len < sizeof w->host) {
		(void)str_copy(w->host, sizeof w->host, name);
		return;
	}
	if (gethostname(w->host, sizeof w->host - 1) == -1 || w->host[0] == '\0')
		(void)str_copy(w->host, sizeof w->host, STR("localhost"));
}
