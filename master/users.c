#include "master/master.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "lib/base/log.h"

static const char *const users[] = {"pmta-inject", "pmta-queue", "pmta-dns", "pmta-deliver",
    "pmta-bounce", "pmta-acct", "pmta-sign", "pmta-exec", "pmta-hook", "pmta-fbl", "pmta-web"};

int
users_check(struct why *why)
{
	if (!master.is_root)
		return 0;
	/* cppcheck-suppress getgrnamCalled */
	if (getgrnam("pmta") == NULL)
		return why_set(
		    why, "there is no group pmta; `make install` or `make check` makes it");
	for (size_t i = 0; i < countof(users); i++) {
		/* cppcheck-suppress getpwnamCalled */
		if (getpwnam(users[i]) == NULL)
			return why_set(why,
			    "there is no user %s; `make install` or `make check` makes it",
			    users[i]);
	}
	return 0;
}

uid_t
users_uid(const char *name)
{
	const struct passwd *pw;

	if (!master.is_root)
		return geteuid();
	/* cppcheck-suppress getpwnamCalled */
	pw = getpwnam(name);
	if (pw == NULL)
		fatal("user %s is gone", name);
	return pw->pw_uid;
}

gid_t
users_gid(void)
{
	const struct group *gr;

	if (!master.is_root)
		return getegid();
	/* cppcheck-suppress getgrnamCalled */
	gr = getgrnam("pmta");
	if (gr == NULL)
		fatal("group pmta is gone");
	return gr->gr_gid;
}
