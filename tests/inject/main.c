#include <getopt.h>
#include <inttypes.h>
#include <signal.h>

#include "lib/base/log.h"
#include "lib/base/num.h"
#include "tests/inject/inject.h"

static const char usage[] =
    "usage: inject -s address:port [-a log] [-b bytes] [-c sessions] [-E ehlo-name] [-f sender] "
    "[-H header-line]\n"
    "              [-i id-prefix] [-m messages-a-connection] [-n messages] [-r "
    "recipients-a-message] [-S source]\n"
    "              [-t recipient,...] [-w seconds-without-progress] [-1PqT]\n";

static void die_usage(void) PH_NORETURN;
static void
die_usage(void)
{
	(void)fputs(usage, stderr);
	exit(2);
}

static void
set_number(const char *text, uint32_t *v)
{
	if (!parse_u32(str_of(text), 0, UINT32_MAX, v))
		die_usage();
}

static void
add_rcpts(struct options *o, char *text)
{
	for (char *p = text; p != NULL && o->n_rcpts < RCPTS_MAX;) {
		char *comma = strchr(p, ',');

		o->rcpts[o->n_rcpts++] = p;
		if (comma != NULL)
			*comma++ = '\0';
		p = comma;
	}
}

static void
add_header(struct options *o, const char *line)
{
	if (o->n_headers == HEADERS_MAX)
		die_usage();
	o->headers[o->n_headers++] = line;
}

static void
set_address(const char *text, bool has_port, struct net_addr *a)
{
	if (has_port ? !net_addr_parse_port(str_of(text), a) : !net_addr_parse(str_of(text), a))
		die_usage();
}

static void
set_option(struct options *o, int c, char *arg)
{
	static const struct {
		char letter;
		size_t offset;
	} numbers[] = {{'b', offsetof(struct options, bytes)},
	    {'c', offsetof(struct options, sessions)},
	    {'m', offsetof(struct options, per_connection)},
	    {'n', offsetof(struct options, messages)}, {'r', offsetof(struct options, per_message)},
	    {'w', offsetof(struct options, wait_s)}},
	  texts[] = {{'a', offsetof(struct options, log)}, {'E', offsetof(struct options, ehlo)},
	      {'f', offsetof(struct options, sender)}, {'i', offsetof(struct options, prefix)}};

	for (size_t i = 0; i < countof(numbers); i++) {
		if (numbers[i].letter == c)
			set_number(arg, (uint32_t *)(void *)((char *)o + numbers[i].offset));
	}
	for (size_t i = 0; i < countof(texts); i++) {
		if (texts[i].letter == c)
			*(const char **)(void *)((char *)o + texts[i].offset) = arg;
	}
	if (c == 't')
		add_rcpts(o, arg);
	else if (c == 'H')
		add_header(o, arg);
	else if (c == 's')
		set_address(arg, true, &o->server);
	else if (c == 'S')
		set_address(arg, false, &o->source);
	o->no_pipelining |= c == '1';
	o->progress |= c == 'P';
	o->quiet |= c == 'q';
	o->tls |= c == 'T';
	if (c == '?')
		die_usage();
}

static void
read_options(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){.sessions = 10,
	    .messages = 100,
	    .bytes = 2048,
	    .per_message = 1,
	    .wait_s = 30,
	    .sender = "sender@inject.test",
	    .ehlo = "inject.test",
	    .prefix = "m"};
	while ((c = getopt(argc, argv, "a:b:c:E:f:H:i:m:n:r:s:S:t:w:1PqT")) != -1)
		set_option(o, c, optarg);
	if (o->n_rcpts == 0)
		o->rcpts[o->n_rcpts++] = "u%r@gmail.test";
	if (optind != argc || o->server.family == 0 || o->per_message == 0 || o->per_message > 1000)
		die_usage();
}

static void
print_line(const struct run *r, const char *end)
{
	double s = (double)mono_diff_ms(r->started, ev_now()) / 1000;

	(void)fprintf(stderr,
	    "%s%" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64
	    " unknown, %.1f s, %.0f a second%s",
	    r->options.progress ? "\r" : "", r->acked, r->refused, r->unknown, s,
	    s > 0 ? (double)r->acked / s : 0, end);
	(void)fflush(stderr);
}

static void
on_tick(struct ev_timer *t)
{
	struct run *r = ph_container_of(t, struct run, tick);

	if (r->log != NULL)
		(void)fflush(r->log);
	if (r->options.progress)
		print_line(r, "");
	ev_timer_in_ms(&r->tick, 100);
}

static void
finish(struct run *r)
{
	if (!r->options.quiet)
		print_line(r, "\n");
	if (r->log != NULL && fclose(r->log) != 0)
		r->exit_code = EXIT_FAILURE;
	(void)printf("{\"acked\": %" PRIu64 ", \"acked_recipients\": %" PRIu64
		     ", \"refused\": %" PRIu64 ", \"unknown\": %" PRIu64
		     ", \"connections\": %" PRIu64 ", \"lost_connections\": %" PRIu64
		     ", \"ms\": %" PRId64 "}\n",
	    r->acked, r->acked_rcpts, r->refused, r->unknown, r->connections, r->lost_connections,
	    mono_diff_ms(r->started, ev_now()));
}

int
main(int argc, char **argv)
{
	static struct run run;

	read_options(argc, argv, &run.options);
	log_init("inject", LOG_LEVEL_INFO);
	(void)signal(SIGPIPE, SIG_IGN);
	if (run.options.log != NULL && (run.log = fopen(run.options.log, "we")) == NULL)
		fatal("cannot open %s", run.options.log);
	ev_init();
	run.started = run.last_progress = ev_now();
	ev_timer_init(&run.tick, on_tick);
	ev_timer_in_ms(&run.tick, 100);
	for (uint32_t i = 0; i < run.options.sessions; i++)
		client_start(&run);
	ev_run();
	ev_update_time();
	finish(&run);
	clients_free(&run);
	return run.exit_code;
}
