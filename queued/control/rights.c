/* who may what: by the credentials of the process that connected */
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "queued/control/control_int.h"

/* members of pmta may read and operate; of these, who is also in pmta-read may only read, in pmta-admin do everything */
static struct {
	gid_t group, group_read, group_admin;
} known;

static gid_t
gid_of(const char *name)
{
	const struct group *g = getgrnam(name);

	return g == NULL ? (gid_t)-1 : g->gr_gid;
}

void
control_rights_init(void)
{
	known.group = gid_of("pmta");
	known.group_read = gid_of("pmta-read");
	known.group_admin = gid_of("pmta-admin");
}

/* the groups of the process that connected: as they were then, and no process can leave one by itself */
struct groups {
	gid_t list[1024];
	size_t n;
	gid_t first;
};

static bool
is_in(const struct groups *g, gid_t wanted)
{
	if (wanted == (gid_t)-1)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		if (g->list[i] == wanted)
			return true;
	}
	return g->first == wanted;
}

int
control_rights_of(int fd, uid_t *uid)
{
	struct ucred cred;
	struct groups g;
	socklen_t len = sizeof cred, size = sizeof g.list;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid = cred.uid;
	if (cred.uid == 0 || cred.uid == geteuid())
		return CTL_RIGHT_ADMIN;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, g.list, &size) == -1)
		return -1;
	g.n = size / sizeof g.list[0];
	g.first = cred.gid;
	if (!is_in(&g, known.group))
		return -1;
	if (is_in(&g, known.group_read))
		return CTL_RIGHT_READ;
	return is_in(&g, known.group_admin) ? CTL_RIGHT_ADMIN : CTL_RIGHT_OPERATE;
}
