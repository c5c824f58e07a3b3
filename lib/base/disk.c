#include "lib/base/disk.h"

#include <sys/statvfs.h>

#define FEW_FILES 10

bool
disk_is_full(int fd, uint64_t bytes)
{
	struct statvfs st;

	return fstatvfs(fd, &st) == 0 && ((uint64_t)st.f_bavail * st.f_frsize < bytes ||
					     (st.f_files > 0 && st.f_favail < FEW_FILES));
}
