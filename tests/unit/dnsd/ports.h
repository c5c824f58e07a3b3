/*
 * Sockets of a name server on loopback. Only for tests that answer on both transports; it never takes a port that
 * anybody else has.
 */
#ifndef PH_TESTS_DNSD_PORTS_H
#define PH_TESTS_DNSD_PORTS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port that is free for both; a free one for TCP may be some other process's for UDP. */
static uint16_t
bind_both(int *tcp, int *udp)
{
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in a = {
		    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;

		*udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		*tcp = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(bind(*tcp, (struct sockaddr *)&a, len) | listen(*tcp, 5), 0);
		assert_int_equal(getsockname(*tcp, (struct sockaddr *)&a, &len), 0);
		if (bind(*udp, (struct sockaddr *)&a, len) == 0)
			return ntohs(a.sin_port);
		close(*udp);
		close(*tcp);
	}
	fail_msg("no port is free for both");
	return 0;
}

#endif
