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

size_t
processes_wanted(const struct conf *c, enum ipc_role role)
{
	const struct conf_set *g = conf_global(c);
	size_t cpus = n_cpus(), n = PH_MAX(cpus / 2, (size_t)1);
	uint64_t threads = conf_u64(g, CONF_GLOBAL_SMTP_SERVER_THREADS);

	if (role != ROLE_INJECT && role != ROLE_DELIVER && role != ROLE_SIGN)
		return 1;
	if (role == ROLE_INJECT && conf_is_set(g, CONF_GLOBAL_SMTP_SERVER_THREADS) &&
	    threads != CONF_UNLIMITED && threads > 0)
		n = (size_t)PH_MIN((threads - 1) / THREADS_A_PROCESS + 1, (uint64_t)cpus);
	return PH_MIN(n, (size_t)PROCESSES_MAX_PER_ROLE);
}
