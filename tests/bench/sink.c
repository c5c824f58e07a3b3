/*
 * The receiver of the bench and of the fault tests: one process, one epoll loop, as fast as a receiver can be, so
 * that it limits no server. It counts every recipient that it accepted by the first run of digits in its local
 * part and so knows what was delivered once, twice or never; the counts live in a mapped file that the tests read
 * while it runs. It must never be exposed to anything but loopback.
 *
 * usage: sink [-C] [-P] [-g] [-x K] [-w LOG] IP:PORT STATS MAXIDS
 *   -C      do not offer CHUNKING
 *   -P      do not offer PIPELINING
 *   -g      greylist: 451 to a recipient's first RCPT
 *   -x K    550 to every recipient whose number is a multiple of K
 *   -w LOG  one line per accepted recipient: number, CRC-32 of the body (what follows the header), its length, the
 *           time (ns of CLOCK_MONOTONIC)
 *
 * STATS: 64-bit words in the order of enum sink_stat, then from byte 4096 on one byte per number: times accepted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IN_SIZE	  65536
#define OUT_SIZE  65536
#define MAX_RCPTS 1000
#define NO_ID	  UINT32_MAX
#define STATS_LEN 4096

enum sink_stat {
	ST_MESSAGES,
	ST_RCPTS,
	ST_UNIQUE,
	ST_DUPLICATES,
	ST_BYTES,
	ST_SESSIONS,
	ST_OPEN,
	ST_MAX_OPEN,
	ST_FIRST_NS,
	ST_LAST_NS,
	ST_COMMANDS,
	ST_REFUSED,
	ST_DEFERRED,
	ST_UNNUMBERED,
	ST_CHUNKED,
	ST_BROKEN,
	ST_MAX
};

enum phase { PHASE_COMMAND, PHASE_DATA, PHASE_CHUNK };

struct conn {
	int fd;
	enum phase phase;
	bool quit, last_chunk, chunked, mid_line;
	uint64_t chunk_left;
	uint32_t n_rcpts;
	uint32_t rcpt[MAX_RCPTS];
	uint32_t crc;
	uint64_t body_len;
	unsigned
	    header_state; /* 0: at a line's start, 1: CR there, 2: within a line, 3: in the body */
	size_t in_len, out_len;
	char in[IN_SIZE], out[OUT_SIZE];
};

static struct {
	volatile uint64_t *stat;
	volatile uint8_t *seen;
	uint8_t *greeted;
	uint32_t max_ids, refuse_every;
	bool chunking, pipelining, greylist;
	FILE *log;
	int epoll_fd;
} sink = {.chunking = true, .pipelining = true};

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* The peer is local and reads its replies: waiting for it here is simpler than a queue, and bounded. */
static int
conn_flush(struct conn *c)
{
	size_t done = 0;

	while (done < c->out_len) {
		ssize_t n = write(c->fd, c->out + done, c->out_len - done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -1;
		struct pollfd p = {.fd = c->fd, .events = POLLOUT};
		if (poll(&p, 1, 10000) == 0)
			return -1;
	}
	c->out_len = 0;
	return 0;
}

static void
conn_say(struct conn *c, const char *text)
{
	size_t len = strlen(text);

	if (c->out_len + len > OUT_SIZE && conn_flush(c) < 0) {
		c->quit = true;
		c->out_len = 0;
	}
	memcpy(c->out + c->out_len, text, len);
	c->out_len += len;
}

static void
conn_drop(struct conn *c)
{
	close(c->fd);
	sink.stat[ST_OPEN]--;
	free(c);
}

static void
count_id(uint32_t id)
{
	if (id >= sink.max_ids) {
		sink.stat[ST_UNNUMBERED]++;
		return;
	}
	if (sink.seen[id] < UINT8_MAX)
		sink.seen[id]++;
	sink.stat[sink.seen[id] == 1 ? ST_UNIQUE : ST_DUPLICATES]++;
}

static void
message_begin(struct conn *c)
{
	c->crc = UINT32_MAX;
	c->body_len = 0;
	c->header_state = 0;
	c->mid_line = false;
}

static void
message_end(struct conn *c)
{
	uint64_t t = now_ns();

	if (sink.stat[ST_FIRST_NS] == 0)
		sink.stat[ST_FIRST_NS] = t;
	for (uint32_t i = 0; i < c->n_rcpts; i++) {
		count_id(c->rcpt[i]);
		if (sink.log != NULL)
			fprintf(sink.log, "%u %08x %llu %llu\n", c->rcpt[i], ~c->crc,
			    (unsigned long long)c->body_len, (unsigned long long)t);
	}
	if (sink.log != NULL)
		fflush(sink.log);
	sink.stat[ST_RCPTS] += c->n_rcpts;
	sink.stat[ST_CHUNKED] += c->chunked;
	sink.stat[ST_LAST_NS] = t;
	sink.stat[ST_MESSAGES]++;
	c->n_rcpts = 0;
	c->chunked = false;
	conn_say(c, "250 2.0.0 Ok\r\n");
}

/* CRC-32 as in IEEE 802.3, four bits at a time */
static uint32_t
crc_step(uint32_t crc, uint8_t byte)
{
	static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
	    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8,
	    0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

	crc ^= byte;
	crc = crc >> 4 ^ nibble[crc & 15];
	return crc >> 4 ^ nibble[crc & 15];
}

/* Content without stuffing: finds the header's end, sums what follows. */
static void
message_bytes(struct conn *c, const char *p, size_t len)
{
	size_t i = 0;

	if (sink.log == NULL)
		return;
	for (; i < len && c->header_state != 3; i++) {
		if (p[i] == '\n')
			c->header_state = c->header_state == 1 ? 3 : 0;
		else if (c->header_state == 0 && p[i] == '\r')
			c->header_state = 1;
		else
			c->header_state = 2;
	}
	c->body_len += len - i;
	for (; i < len; i++)
		c->crc = crc_step(c->crc, (uint8_t)p[i]);
}

static uint32_t
rcpt_id(const char *line, size_t len)
{
	const char *p = memchr(line, '<', len), *end = line + len;
	uint64_t id = 0;

	if (p == NULL)
		return NO_ID;
	while (p < end && *p != '@' && (*p < '0' || *p > '9'))
		p++;
	if (p == end || *p == '@')
		return NO_ID;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		if (id < NO_ID)
			id = id * 10 + (uint64_t)(*p - '0');
	return id < NO_ID ? (uint32_t)id : NO_ID;
}

static void
on_ehlo(struct conn *c, const char *line, size_t len)
{
	(void)line, (void)len;
	conn_say(
	    c, "250-sink.test\r\n250-SIZE 104857600\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n");
	if (sink.pipelining)
		conn_say(c, "250-PIPELINING\r\n");
	if (sink.chunking)
		conn_say(c, "250-CHUNKING\r\n");
	conn_say(c, "250 8BITMIME\r\n");
}

static void
on_mail(struct conn *c, const char *line, size_t len)
{
	(void)line, (void)len;
	c->n_rcpts = 0;
	c->chunked = false;
	message_begin(c);
	conn_say(c, "250 2.1.0 Ok\r\n");
}

static void
on_rcpt(struct conn *c, const char *line, size_t len)
{
	uint32_t id = rcpt_id(line, len);

	if (id < sink.max_ids && sink.refuse_every != 0 && id % sink.refuse_every == 0) {
		sink.stat[ST_REFUSED]++;
		conn_say(c, "550 5.1.1 No such recipient\r\n");
		return;
	}
	if (id < sink.max_ids && sink.greylist && sink.greeted[id] == 0) {
		sink.greeted[id] = 1;
		sink.stat[ST_DEFERRED]++;
		conn_say(c, "451 4.7.1 Not yet, come back\r\n");
		return;
	}
	if (c->n_rcpts == MAX_RCPTS) {
		conn_say(c, "452 4.5.3 Too many recipients\r\n");
		return;
	}
	c->rcpt[c->n_rcpts++] = id;
	conn_say(c, "250 2.1.5 Ok\r\n");
}

static void
on_data(struct conn *c, const char *line, size_t len)
{
	(void)line, (void)len;
	if (c->n_rcpts == 0) {
		conn_say(c, "554 5.5.1 No valid recipients\r\n");
		return;
	}
	c->phase = PHASE_DATA;
	conn_say(c, "354 Go on\r\n");
}

static void
on_bdat(struct conn *c, const char *line, size_t len)
{
	char text[64];
	char *rest;
	size_t n = len < sizeof text ? len : sizeof text - 1;

	memcpy(text, line, n);
	text[n] = '\0';
	c->chunk_left = strtoull(text + 4, &rest, 10);
	c->last_chunk = strcasestr(rest, "LAST") != NULL;
	c->chunked = true;
	c->phase = PHASE_CHUNK;
}

static void
on_rset(struct conn *c, const char *line, size_t len)
{
	(void)line, (void)len;
	c->n_rcpts = 0;
	conn_say(c, "250 2.0.0 Ok\r\n");
}

static void
on_quit(struct conn *c, const char *line, size_t len)
{
	(void)line, (void)len;
	c->quit = true;
	conn_say(c, "221 2.0.0 Bye\r\n");
}

static const struct {
	const char *verb;
	void (*run)(struct conn *c, const char *line, size_t len);
} commands[] = {
    {"RCPT", on_rcpt},
    {"MAIL", on_mail},
    {"BDAT", on_bdat},
    {"DATA", on_data},
    {"EHLO", on_ehlo},
    {"HELO", on_rset},
    {"RSET", on_rset},
    {"NOOP", on_rset},
    {"QUIT", on_quit},
};

static void
command_run(struct conn *c, const char *line, size_t len)
{
	sink.stat[ST_COMMANDS]++;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (len >= 4 && strncasecmp(line, commands[i].verb, 4) == 0) {
			commands[i].run(c, line, len);
			return;
		}
	}
	conn_say(c, "500 5.5.1 Unknown command\r\n");
}

/* One line (or the piece of a long one that filled the buffer) of a DATA section. */
static void
data_line(struct conn *c, const char *p, size_t len, bool whole)
{
	bool at_start = !c->mid_line;

	c->mid_line = !whole;
	if (at_start && len == 3 && memcmp(p, ".\r\n", 3) == 0) {
		c->phase = PHASE_COMMAND;
		message_end(c);
		return;
	}
	if (whole && (len < 2 || p[len - 2] != '\r'))
		sink.stat[ST_BROKEN]++;
	if (at_start && p[0] == '.')
		message_bytes(c, p + 1, len - 1);
	else
		message_bytes(c, p, len);
}

static size_t
chunk_bytes(struct conn *c, const char *p, size_t len)
{
	size_t n = len < c->chunk_left ? len : (size_t)c->chunk_left;

	message_bytes(c, p, n);
	c->chunk_left -= n;
	if (c->chunk_left > 0)
		return n;
	c->phase = PHASE_COMMAND;
	if (c->n_rcpts == 0)
		conn_say(c, "554 5.5.1 No valid recipients\r\n");
	else if (c->last_chunk)
		message_end(c);
	else
		conn_say(c, "250 2.0.0 Go on\r\n");
	return n;
}

/* Uses what it can of the input; returns how much. */
static size_t
conn_step(struct conn *c, const char *p, size_t len)
{
	if (c->phase == PHASE_CHUNK)
		return chunk_bytes(c, p, len);
	const char *newline = memchr(p, '\n', len);
	if (newline == NULL && len < IN_SIZE)
		return 0;
	size_t used = newline != NULL ? (size_t)(newline - p) + 1 : len;
	if (c->phase == PHASE_DATA)
		data_line(c, p, used, newline != NULL);
	else
		command_run(c, p, used);
	return used;
}

static int
conn_readable(struct conn *c)
{
	size_t used = 0;
	ssize_t n = read(c->fd, c->in + c->in_len, IN_SIZE - c->in_len);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	sink.stat[ST_BYTES] += (uint64_t)n;
	c->in_len += (size_t)n;
	/* an empty last chunk ends without a byte of its own */
	while (!c->quit && (used < c->in_len || (c->phase == PHASE_CHUNK && c->chunk_left == 0))) {
		size_t step = conn_step(c, c->in + used, c->in_len - used);
		if (step == 0 && c->phase != PHASE_COMMAND)
			break;
		if (step == 0 && memchr(c->in + used, '\n', c->in_len - used) == NULL)
			break;
		used += step;
	}
	memmove(c->in, c->in + used, c->in_len - used);
	c->in_len -= used;
	if (c->out_len > 0 && conn_flush(c) < 0)
		return -1;
	return c->quit ? -1 : 0;
}

static void
listener_readable(int listener)
{
	int one = 1, fd;

	/* epoll holds what is made here: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = calloc(1, sizeof *c);
		if (c == NULL) {
			close(fd);
			return;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		c->fd = fd;
		sink.stat[ST_SESSIONS]++;
		if (++sink.stat[ST_OPEN] > sink.stat[ST_MAX_OPEN])
			sink.stat[ST_MAX_OPEN] = sink.stat[ST_OPEN];
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
		conn_say(c, "220 sink.test ESMTP\r\n");
		if (epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 || conn_flush(c) < 0)
			conn_drop(c);
	}
}

static int
listen_at(const char *where)
{
	char ip[64];
	int one = 1;
	const char *colon = strrchr(where, ':');
	struct sockaddr_in a = {.sin_family = AF_INET};

	if (colon == NULL || (size_t)(colon - where) >= sizeof ip)
		return -1;
	memcpy(ip, where, (size_t)(colon - where));
	ip[colon - where] = '\0';
	a.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 4096) < 0)
		return -1;
	return fd;
}

static int
stats_map(const char *path)
{
	size_t len = STATS_LEN + (size_t)sink.max_ids;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		return -1;
	char *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	sink.stat = (volatile uint64_t *)(void *)map;
	sink.seen = (volatile uint8_t *)map + STATS_LEN;
	sink.stat[ST_OPEN] = 0;
	sink.stat[ST_FIRST_NS] = 0;
	sink.greeted = calloc(1, (size_t)sink.max_ids + 1);
	return sink.greeted == NULL ? -1 : 0;
}

static int
options(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "CPgx:w:")) > 0) {
		if (o == 'C')
			sink.chunking = false;
		else if (o == 'P')
			sink.pipelining = false;
		else if (o == 'g')
			sink.greylist = true;
		else if (o == 'x')
			sink.refuse_every = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o != 'w' || (sink.log = fopen(optarg, "a")) == NULL)
			return -1;
	}
	if (argc - optind != 3)
		return -1;
	sink.max_ids = (uint32_t)strtoul(argv[optind + 2], NULL, 10);
	return stats_map(argv[optind + 1]);
}

static void
serve(int listener)
{
	struct epoll_event events[256], ev = {.events = EPOLLIN, .data.ptr = NULL};

	sink.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		int n = epoll_wait(sink.epoll_fd, events, 256, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c == NULL)
				listener_readable(listener);
			else if (conn_readable(c) < 0)
				conn_drop(c);
		}
	}
}

int
main(int argc, char **argv)
{
	struct rlimit files = {20000, 20000};

	if (options(argc, argv) < 0) {
		fprintf(
		    stderr, "usage: sink [-C] [-P] [-g] [-x K] [-w LOG] IP:PORT STATS MAXIDS\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	int listener = listen_at(argv[optind]);
	if (listener < 0) {
		perror("sink: listen");
		return 1;
	}
	serve(listener);
	return 0;
}
