/*
 *	posthttp hook URL json|csv ENCODING CONNECT-MS IO-MS VERBOSE HEADERS CERTIFICATE CA	CSV with a header line
 *	posthttp mail URL HEADERS FROM TO						a message
 *	posthttp sts DOMAIN ADDRESSES CA						nothing; prints the domain's policy
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/sts/sts.h"
#include "posthttp/posthttp.h"

#define MAIL_CONNECT_MS 30000
#define MAIL_IO_MS	60000
#define STS_CONNECT_MS	5000
#define STS_IO_MS	20000
#define MAX_HEADERS	(64 * 1024)

static void PH_NORETURN
fail(const char *why)
{
	printf("%s\n", why);
	fflush(stdout);
	_exit(EX_TEMPFAIL);
}

static void
read_input(struct buf *b)
{
	size_t room;
	ssize_t n = 1;
	char *to;

	while (n != 0) {
		to = buf_reserve(b, 65536, &room);
		if (to == NULL)
			fail("there is too much of it");
		n = read(STDIN_FILENO, to, room);
		if (n == -1 && errno != EINTR)
			fail("it cannot be read");
		if (n > 0)
			buf_wrote(b, (size_t)n);
	}
}

static void
send_it(struct post *p, bool is_verbose)
{
	struct why why;
	char said[200];
	int status;

	if (post_send(p, &status, said, &why) == -1)
		fail(why.text);
	if (status < 200 || status > 299)
		fail(said);
	if (is_verbose)
		printf("%s\n", said);
}

static int64_t
time_of(const char *text)
{
	uint64_t ms;

	if (!parse_u64(str_of(text), 1, 86400000, &ms))
		fail("a time is none");
	return (int64_t)ms;
}

static void
take_url(struct post *p, const char *text)
{
	struct why why;

	if (!url_parse(str_of(text), &p->url, &why))
		fail(why.text);
}

static void
post_hook(struct post *p, char **argv)
{
	struct buf in;
	struct why why;

	take_url(p, argv[2]);
	p->connect_ms = time_of(argv[5]);
	p->io_ms = time_of(argv[6]);
	p->certificate = argv[9];
	p->ca_file = argv[10];
	buf_init(&in, POST_MAX_BODY);
	read_input(&in);
	if (strcmp(argv[3], "json") == 0) {
		p->type = "application/json";
		if (json_of_csv(buf_str(&in), &p->body, &why) == -1)
			fail(why.text);
		buf_clear(&in);
	} else {
		p->type = "text/csv; charset=utf-8";
		p->body = in;
	}
	if (post_add_headers(p, argv[8], &why) == -1 ||
	    (strcmp(argv[4], "gzip") == 0 && post_gzip(p, &why) == -1))
		fail(why.text);
	send_it(p, strcmp(argv[7], "yes") == 0);
}

static void
post_mail(struct post *p, char **argv)
{
	struct buf in;
	struct why why;

	take_url(p, argv[2]);
	p->connect_ms = MAIL_CONNECT_MS;
	p->io_ms = MAIL_IO_MS;
	p->certificate = p->ca_file = "";
	p->type = "application/json";
	buf_init(&in, POST_MAX_BODY);
	read_input(&in);
	if (json_of_mail(str_of(argv[4]), str_of(argv[5]), buf_str(&in), &p->body) == -1)
		fail("the message is too large");
	buf_clear(&in);
	if (post_add_headers(p, argv[3], &why) == -1)
		fail(why.text);
	send_it(p, true);
}

/* RFC 8461 3.3: from that host and path only, by a good certificate, without any redirection */
static void
get_policy(struct post *p, char **argv)
{
	static struct sts_policy policy;
	char url[400];
	struct buf text, line;
	struct why why;

	snprintf(url, sizeof url, "https://mta-sts.%.255s/.well-known/mta-sts.txt", argv[2]);
	p->connect_ms = STS_CONNECT_MS;
	p->io_ms = STS_IO_MS;
	p->addresses = argv[3];
	p->ca_file = argv[4];
	p->certificate = "";
	buf_init(&text, STS_MAX_POLICY);
	buf_init(&line, STS_MAX_PATTERNS + 100);
	if (!url_parse(str_of(url), &p->url, &why) ||
	    get_text(p, "text/plain", &text, &why) == -1 ||
	    sts_policy_parse(buf_str(&text), &policy, &why) == -1)
		fail(why.text);
	if (sts_policy_write(&policy, &line) == -1)
		fail("the policy is too large");
	printf("%.*s\n", STR_ARG(buf_str(&line)));
	buf_clear(&text);
	buf_clear(&line);
}

struct way {
	const char *name;
	int argc;
	void (*run)(struct post *, char **);
};
static const struct way ways[] = {
    {"hook", 11, post_hook}, {"mail", 6, post_mail}, {"sts", 5, get_policy}};

static const struct way *
find_way(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < countof(ways); i++)
		if (strcmp(argv[1], ways[i].name) == 0 && argc == ways[i].argc)
			return &ways[i];
	fail("posthttp is started by execd(8), not by hand");
}

int
main(int argc, char **argv)
{
	struct sigaction ign = {.sa_handler = SIG_IGN};
	struct post p = {0};

	if (sigaction(SIGPIPE, &ign, NULL) == -1)
		fail("signals cannot be set");
	buf_init(&p.headers, MAX_HEADERS);
	buf_init(&p.body, 2 * (size_t)POST_MAX_BODY);
	find_way(argc, argv)->run(&p, argv);
	buf_clear(&p.headers);
	buf_clear(&p.body);
	return EX_OK;
}
