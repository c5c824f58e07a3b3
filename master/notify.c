#include "master/master.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/log.h"

static void
send_text(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len == 0 || len >= sizeof un.sun_path || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	len += offsetof(struct sockaddr_un, sun_path);
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un, (socklen_t)len) ==
	    -1)
		log_debug("systemd was not told: %s", strerrordesc_np(errno));
	close(fd);
}

void
notify_ready(void)
{
	send_text("READY=1\nSTATUS=running\n");
}

void
notify_reloading(void)
{
	char text[96];

	ev_update_time();
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
	    (long long)(ev_now().ns / 1000));
	send_text(text);
}

void
notify_stopping(void)
{
	send_text("STOPPING=1\n");
}
