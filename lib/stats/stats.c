#include "lib/stats/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* the layout is part of it: a page of another build is refused */
#define STATS_MAGIC (UINT64_C(0x7068737461740000) + STAT_MAX)

_Static_assert(
    sizeof(struct stats_page) == 40 + 8 * (size_t)STAT_MAX, "the page is shared between processes");

enum stat_kind { KIND_COUNTER, KIND_GAUGE };

static const struct {
	enum stat_kind kind;
	const char *name, *help;
} rows[STAT_MAX] = {
#define STAT(id, kind, text, help) [STAT_##id] = {KIND_##kind, text, help},
#include "lib/stats/stats.def"
#undef STAT
};

static struct stats_page private_page = {.magic = STATS_MAGIC};
struct stats_page *stats_own = &private_page;

static int
prepare(int fd, const struct stats_page *head)
{
	if (ftruncate(fd, sizeof *head) == -1 || pwrite(fd, head, sizeof *head, 0) != sizeof *head)
		return -1;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int
stats_create(uint32_t role, uint32_t instance)
{
	struct stats_page head = {.magic = STATS_MAGIC, .role = role, .instance = instance};
	int fd = memfd_create("posthaste-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING), saved;

	if (fd == -1)
		return -1;
	if (prepare(fd, &head) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void *
map(int fd, int prot)
{
	struct stat st;
	struct stats_page *page;

	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size != (off_t)sizeof *page) {
		errno = EPROTO;
		return NULL;
	}
	page = mmap(NULL, sizeof *page, prot, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return NULL;
	if (page->magic != STATS_MAGIC) {
		munmap(page, sizeof *page);
		errno = EPROTO;
		return NULL;
	}
	return page;
}

int
stats_map_own(int fd)
{
	struct stats_page *page = map(fd, PROT_READ | PROT_WRITE);

	if (page == NULL)
		return -1;
	page->pid = (uint64_t)getpid();
	/* a restarted daemon goes on with its counters, but what its gauges measured is gone */
	for (unsigned i = 0; i < STAT_MAX; i++) {
		if (rows[i].kind == KIND_GAUGE)
			page->v[i] = 0;
	}
	stats_own = page;
	return 0;
}

const struct stats_page *
stats_map(int fd)
{
	return map(fd, PROT_READ);
}

const char *
stat_name(enum stat_id id)
{
	return (unsigned)id < STAT_MAX ? rows[id].name : "?";
}

const char *
stat_help(enum stat_id id)
{
	return (unsigned)id < STAT_MAX ? rows[id].help : "";
}

bool
stat_is_gauge(enum stat_id id)
{
	return (unsigned)id < STAT_MAX && rows[id].kind == KIND_GAUGE;
}
