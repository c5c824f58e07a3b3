/*
 * A link with a long round trip: forwards TCP connections and hands each byte on only when `ms` have passed since
 * it came, in either direction, without limiting the rate. It must never reorder, and never hold more than
 * MAX_HELD bytes a direction: then it stops reading, as a full pipe would.
 *
 * usage: delayproxy LISTEN-IP:PORT TARGET-IP:PORT MS     (MS: one way)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINKS 128
#define PIECE	  65536
#define MAX_HELD  (8u * 1024 * 1024)

struct piece {
	struct piece *next;
	uint64_t due_ns;
	size_t len, sent; /* len 0: the end of the stream */
	char bytes[PIECE];
};
struct pipe_way {
	int from, to;
	struct piece *first, *last;
	size_t held;
	bool eof, ended;
};
struct link_pair {
	bool used;
	struct pipe_way way[2];
};

static struct link_pair links[MAX_LINKS];
static uint64_t delay_ns;

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void
link_drop(struct link_pair *l)
{
	for (int i = 0; i < 2; i++) {
		while (l->way[i].first != NULL) {
			struct piece *p = l->way[i].first;
			l->way[i].first = p->next;
			free(p);
		}
		close(l->way[i].from);
	}
	memset(l, 0, sizeof *l);
}

/* Reads one piece; -1 when the link is broken. */
static int
way_read(struct pipe_way *w)
{
	struct piece *p = malloc(sizeof *p);

	if (p == NULL)
		return -1;
	ssize_t n = read(w->from, p->bytes, PIECE);
	if (n < 0) {
		free(p);
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	}
	p->next = NULL;
	p->due_ns = now_ns() + delay_ns;
	p->len = (size_t)n;
	p->sent = 0;
	if (w->last != NULL && w->first != NULL)
		w->last->next = p;
	else
		w->first = p;
	w->last = p;
	w->held += p->len;
	w->eof = n == 0;
	return 0;
}

static int
way_write(struct pipe_way *w, uint64_t now)
{
	while (w->first != NULL && w->first->due_ns <= now) {
		struct piece *p = w->first;
		if (p->len == 0) {
			shutdown(w->to, SHUT_WR);
			w->ended = true;
		}
		while (p->sent < p->len) {
			ssize_t n = write(w->to, p->bytes + p->sent, p->len - p->sent);
			if (n < 0)
				return errno == EAGAIN || errno == EINTR ? 0 : -1;
			p->sent += (size_t)n;
		}
		w->held -= p->len;
		w->first = p->next;
		free(p);
	}
	return 0;
}

static bool
parse_where(const char *text, struct sockaddr_in *a)
{
	char ip[64];
	const char *colon = strrchr(text, ':');

	if (colon == NULL || (size_t)(colon - text) >= sizeof ip)
		return false;
	memcpy(ip, text, (size_t)(colon - text));
	ip[colon - text] = '\0';
	*a = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
	return inet_pton(AF_INET, ip, &a->sin_addr) == 1;
}

static void
link_open(int listener, const struct sockaddr_in *target)
{
	int one = 1, client = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct link_pair *l = NULL;

	for (size_t i = 0; i < MAX_LINKS && l == NULL; i++)
		l = links[i].used ? NULL : &links[i];
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client < 0 || server < 0 || l == NULL ||
	    connect(server, (const struct sockaddr *)target, sizeof *target) < 0) {
		if (client >= 0)
			close(client);
		if (server >= 0)
			close(server);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	*l = (struct link_pair){
	    .used = true, .way = {{.from = client, .to = server}, {.from = server, .to = client}}};
}

/* Milliseconds until the next piece is due; -1: none. */
static int
next_due_ms(uint64_t now)
{
	uint64_t best = UINT64_MAX;

	for (size_t i = 0; i < 2 * (size_t)MAX_LINKS; i++) {
		const struct pipe_way *w = &links[i / 2].way[i % 2];
		if (w->first != NULL && w->first->due_ns < best)
			best = w->first->due_ns;
	}
	if (best == UINT64_MAX)
		return -1;
	return best <= now ? 1 : (int)((best - now) / 1000000 + 1);
}

static void
links_write(void)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < MAX_LINKS; i++) {
		struct link_pair *l = &links[i];
		if (!l->used)
			continue;
		if (way_write(&l->way[0], now) < 0 || way_write(&l->way[1], now) < 0 ||
		    (l->way[0].ended && l->way[1].ended))
			link_drop(l);
	}
}

static void
serve(int listener, const struct sockaddr_in *target)
{
	struct pollfd fds[1 + 2 * MAX_LINKS];
	struct link_pair *of[1 + 2 * MAX_LINKS];
	struct pipe_way *way[1 + 2 * MAX_LINKS];

	for (;;) {
		nfds_t n = 1;
		fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < 2 * (size_t)MAX_LINKS; i++) {
			struct pipe_way *w = &links[i / 2].way[i % 2];
			if (!links[i / 2].used || w->eof || w->held >= MAX_HELD)
				continue;
			of[n] = &links[i / 2];
			way[n] = w;
			fds[n++] = (struct pollfd){.fd = w->from, .events = POLLIN};
		}
		poll(fds, n, next_due_ms(now_ns()));
		for (nfds_t i = 1; i < n; i++)
			if (fds[i].revents != 0 && way_read(way[i]) < 0)
				of[i]->way[0].ended = of[i]->way[1].ended = true;
		links_write();
		if (fds[0].revents != 0)
			link_open(listener, target);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at, target;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 4 || !parse_where(argv[1], &at) || !parse_where(argv[2], &target)) {
		fprintf(stderr, "usage: delayproxy LISTEN-IP:PORT TARGET-IP:PORT MS\n");
		return 2;
	}
	delay_ns = strtoull(argv[3], NULL, 10) * 1000000;
	signal(SIGPIPE, SIG_IGN);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0) {
		perror("delayproxy: listen");
		return 1;
	}
	serve(fd, &target);
	return 0;
}
