#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "execd/execd.h"
#include "lib/base/xalloc.h"

static void
own_rights(struct account *a)
{
	a->home = xstrdup("/");
	a->uid = getuid();
	a->gid = getgid();
	a->is_known = true;
}

void
account_load(struct account *a, struct str name)
{
	const struct passwd *pw;

	*a = (struct account){.name = xstrdup_str(name), .n_groups = countof(a->groups)};
	if (!execd.is_root) {
		own_rights(a);
		return;
	}
	/* cppcheck-suppress getpwnamCalled */
	pw = getpwnam(a->name);
	if (pw == NULL) {
		(void)why_set(&a->why, "There is no user %s.", a->name);
		return;
	}
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	a->home = xstrdup(pw->pw_dir);
	if (a->uid == 0 || a->gid == 0) {
		(void)why_set(&a->why, "Commands are not run as root: command-user %s.", a->name);
		return;
	}
	if (getgrouplist(a->name, a->gid, a->groups, &a->n_groups) == -1) {
		(void)why_set(&a->why, "User %s is in too many groups.", a->name);
		return;
	}
	a->is_known = true;
}

void
account_clear(struct account *a)
{
	free(a->name);
	free(a->home);
}
