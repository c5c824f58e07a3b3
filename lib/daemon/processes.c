#include "lib/daemon/processes.h"

#include <unistd.h>

/* smtp-server-threads is a hint made for a server with threads: one process does the work of so many of them */
#define THREADS_A_PROCESS 16

static size_t
n_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (size_t)n;
}

/* as many as the configuration says; 0: as many as there are CPUs for */
static uint64_t
configured(const struct conf *c, enum conf_key key)
{
	const struct conf_set *g = conf_global(c);
	uint64_t n = conf_u64(g, key);

	return conf_is_set(g, key) && n != CONF_UNLIMITED ? n : 0;
}

size_t
processes_wanted(const struct conf *c, enum ipc_role role)
{
	size_t cpus = n_cpus();
	uint64_t n = 0, threads = configured(c, CONF_GLOBAL_SMTP_SERVER_THREADS);

	if (role != ROLE_INJECT && role != ROLE_DELIVER && role != ROLE_SIGN)
		return 1;
	if (role == ROLE_DELIVER)
		n = configured(c, CONF_GLOBAL_DELIVERY_PROCESSES);
	else if (role == ROLE_SIGN)
		n = configured(c, CONF_GLOBAL_SIGNING_PROCESSES);
	else if (threads > 0)
		n = PH_MIN((threads - 1) / THREADS_A_PROCESS + 1, (uint64_t)cpus);
	if (n == 0)
		n = PH_MAX(cpus / 2, (size_t)1);
	return (size_t)PH_MIN(n, (uint64_t)PROCESSES_MAX_PER_ROLE);
}
