#include <unistd.h>

#include "dnsd/blocklist.h"
#include "dnsd/check.h"
#include "dnsd/precache.h"
#include "dnsd/resolve.h"
#include "lib/base/buf.h"
#include "lib/base/log.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/sandbox.h"

#define SERVERS_MAX 500

static struct {
	struct resolver resolver;
	struct precache precache;
	struct checks checks;
	struct blocklist blocklist;
	bool is_up; /* resolver_init() was called */
	int queue_fd;
} state = {.queue_fd = -1};

static void
on_give_fd(const struct ipc_fd *what, struct str text, int fd)
{
	close(fd); /* it needs none */
}

static void
on_peer(enum ipc_role role, uint32_t instance, int fd)
{
	if (role == ROLE_INJECT) {
		/* what it asks before there is an answer waits in the socket */
		checks_inject_up(&state.checks, instance, fd);
	} else if (role != ROLE_QUEUE) {
		close(fd);
	} else if (state.is_up) {
		resolver_queue_up(&state.resolver, fd);
	} else {
		if (state.queue_fd != -1)
			close(state.queue_fd);
		state.queue_fd = fd;
	}
}

static void
use_servers(void)
{
	const struct conf_set *s = conf_global(daemon_conf());
	struct buf b;
	struct why why;

	buf_init(&b, SERVERS_MAX);
	for (size_t i = 0; i < conf_n(s, CONF_GLOBAL_NAME_SERVER); i++) {
		struct str one = conf_item(s, CONF_GLOBAL_NAME_SERVER, i);
		if (buf_addf(&b, "%s%.*s", i > 0 ? "," : "", STR_ARG(one)) == -1) {
			log_warn("event=name-servers text=\"there are too many; the last ones are "
				 "not asked\"");
			break;
		}
	}
	if (lookup_set_servers(&state.resolver.lookup, buf_str(&b), &why) == -1)
		log_error("event=name-servers text=\"%s\"", why.text);
	buf_clear(&b);
}

static void
on_config(const struct conf *old)
{
	use_servers();
	precache_refresh(&state.precache);
	blocklist_configure(&state.blocklist, daemon_conf());
}

static void
on_stop(int64_t drain_ms)
{
	daemon_exit();
}

static const struct daemon_ops dnsd_daemon = {
    .role = ROLE_DNS,
    .give_fd = on_give_fd,
    .peer = on_peer,
    .config = on_config,
    .stop = on_stop,
};

static const struct sandbox dnsd_box = {
    .user = "pmta-dns",
    .calls = BOX_LOOP | BOX_CONNECT | BOX_CONFIG,
};

/* the file can be read now alone: later there is neither root nor a file system */
static void
init_precache(void)
{
	const struct conf *c = daemon_conf();
	const struct conf_set *s =
	    conf_n_blocks(c, CONF_BLOCK_DNS) == 0 ? NULL : conf_block_at(c, CONF_BLOCK_DNS, 0);
	char path[1024] = "";

	if (s != NULL)
		str_copy(path, sizeof path, conf_str(s, CONF_DNS_PRECACHED_DOMAINS_FILE));
	precache_init(&state.precache, &state.resolver.lookup, path,
	    s == NULL ? 0 : conf_ms(s, CONF_DNS_PRECACHED_REFRESH_INTERVAL),
	    s == NULL
		? 0
		: (uint32_t)PH_MIN(conf_u64(s, CONF_DNS_PRECACHED_MAX_DOMAINS), (uint64_t)100000));
	state.resolver.precache = &state.precache;
}

static void
init(void)
{
	const struct conf_set *s = conf_global(daemon_conf());
	int edns = 0;
	struct why why;

	if (conf_is_set(s, CONF_GLOBAL_EDNS_UDP_LENGTH))
		edns = (int)conf_u64(s, CONF_GLOBAL_EDNS_UDP_LENGTH);
	if (resolver_init(&state.resolver, edns, &why) == -1)
		fatal("event=no-resolver text=\"%s\"", why.text);
	checks_init(&state.checks, &state.resolver.lookup);
	state.resolver.checks = &state.checks;
	blocklist_init(&state.blocklist, &state.resolver.lookup);
	state.resolver.blocklist = &state.blocklist;
	state.is_up = true;
	use_servers();
	init_precache();
}

static void
begin(void)
{
	if (state.queue_fd != -1)
		resolver_queue_up(&state.resolver, state.queue_fd);
	state.queue_fd = -1;
	precache_refresh(&state.precache);
	blocklist_configure(&state.blocklist, daemon_conf());
}

int
main(int argc, char **argv)
{
	daemon_begin(argc, argv, &dnsd_daemon);
	init();
	sandbox_enter(&dnsd_box);
	begin();
	daemon_ready();
	daemon_run();
	precache_clear(&state.precache);
	blocklist_clear(&state.blocklist);
	resolver_clear(&state.resolver);
	checks_clear(&state.checks);
	return 0;
}
