/* The key as master gives it: a descriptor of sealed memory. */
#include <sodium.h>
#include <unistd.h>

#include "lib/track/track.h"

bool
track_init_fd(struct track *t, int fd)
{
	uint8_t key[TRACK_KEY];
	bool is_good = sodium_init() != -1 && pread(fd, key, sizeof key, 0) == sizeof key;

	if (close(fd) == -1)
		is_good = false;
	if (is_good)
		track_init(t, key);
	explicit_bzero(key, sizeof key);
	return is_good;
}
