/*
 * A client's bytes against AUTH, STARTTLS and the dummy listener: the first byte says which, the second the size of
 * the pieces. Each 255 among the bytes is TLS that came up, where it was begun. Nobody is logged in without having
 * said a password, nothing said in clear counts within TLS, and every reply is a line of SMTP.
 */
#include <assert.h>
#include <unistd.h>

#include "injectd/auth.h"
#include "injectd/dummy.h"
#include "injectd/session.h"
#include "lib/base/xalloc.h"
#include "lib/ev/ev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *conf;
static struct world world;
static const char settings[] =
    "host-name mx.test\nspool /tmp\nlog-file /dev/null\n"
    "dummy-smtp-has-chunking yes\ndummy-smtp-has-mailmerge yes\ndummy-smtp-has-verp yes\n"
    "<smtp-user alice>\npassword secret\n</smtp-user>\n"
    "<source 0/0>\nallow-starttls yes\nallow-unencrypted-plain-auth yes\nrequire-auth yes\n"
    "broken-auth-clients yes\nmax-message-size 10k\n</source>\n"
    "<source {auth}>\nalways-allow-relaying yes\n</source>\n";

static void
load(void)
{
	char path[] = "/tmp/authin-fuzz-XXXXXX";
	struct conf_messages m = {0};
	int fd = mkstemp(path);

	assert(fd != -1 && write(fd, settings, sizeof settings - 1) == sizeof settings - 1);
	close(fd);
	conf = conf_load(path, &m);
	assert(conf != NULL);
	conf_messages_clear(&m);
	unlink(path);
	ev_init();
	world_init(&world, NULL, NULL);
	world_use_conf(&world, conf);
	world.failures = xcalloc(1, sizeof *world.failures);
	world.door[0].has_tls = true;
	/* no message is taken: there is no spool here */
	(void)why_smtp(&world.refusal, 452, 4, 3, 1, "none");
}

/* Every line: three digits, blank or '-', text; returns how often `code` came. */
static unsigned
check_replies(struct str out, const char *code)
{
	struct str line;
	unsigned n = 0;

	assert(out.len == 0 || str_has_suffix(out, STR("\r\n")));
	while (out.len > 0 && str_next(&out, '\n', &line)) {
		assert(line.len >= 5 && ascii_is_digit(line.p[0]) && ascii_is_digit(line.p[2]));
		assert(line.p[3] == ' ' || line.p[3] == '-');
		n += str_has_prefix(line, str_of(code));
	}
	return n;
}

static void
on_wake(struct session *s)
{
}

static void
settle(struct session *s, unsigned *n_235)
{
	do {
		*n_235 += check_replies(buf_str(&s->out), "235");
		buf_consume(&s->out, buf_len(&s->out));
		session_resume(s);
	} while (buf_len(&s->out) > 0);
	assert(s->user == NULL || *n_235 > 0);
	assert((s->state == SESSION_AUTH || s->state == SESSION_VERIFY) == (s->auth != NULL));
	assert(s->txn == NULL || s->user != NULL);
}

static void
tls_up(struct session *s)
{
	static const struct session_tls tls = {.protocol = "TLSv1.3", .cipher = "X"};

	if (s->state != SESSION_TLS)
		return;
	assert(buf_len(&s->in) == 0);
	session_tls_up(s, &tls);
	assert(s->user == NULL && s->helo == NULL && s->txn == NULL);
}

static void
play_session(struct str in, size_t piece)
{
	struct net_addr a = {.family = 4, .bytes = {192, 0, 2, 7}};
	struct session s = {.wake = on_wake};
	unsigned n_235 = 0;

	session_start(&s, &world, 0, &a, &a);
	settle(&s, &n_235);
	while (in.len > 0 && s.state != SESSION_CLOSING) {
		size_t n = PH_MIN(piece, in.len), stop = str_find(str_sub(in, 0, n), '\xff');
		if (stop == 0)
			tls_up(&s);
		if (stop != STR_NPOS)
			n = PH_MAX(stop, (size_t)1);
		if (stop != 0 && s.state != SESSION_TLS)
			session_input(&s, str_sub(in, 0, n));
		in = str_skip(in, n);
		settle(&s, &n_235);
	}
	session_clear(&s);
}

static void
play_dummy(struct str in, size_t piece)
{
	struct dummy_rules rules = {.global = conf_global(conf), .host = "mx.test"};
	struct dummy d;

	dummy_list_make(&rules.blacklist, str_sub(in, 0, 64));
	(void)dummy_list_has(&rules.blacklist, str_sub(in, 3, 10));
	dummy_init(&d, &rules);
	while (in.len > 0 && d.state != DUMMY_CLOSING) {
		size_t n = PH_MIN(piece, in.len);
		if (buf_add_str(&d.in, str_sub(in, 0, n)) == -1)
			break;
		in = str_skip(in, n);
		do {
			(void)check_replies(buf_str(&d.out), "235");
			buf_reset(&d.out);
		} while (dummy_step(&d));
		(void)check_replies(buf_str(&d.out), "235");
		assert(buf_len(&d.in) < DUMMY_MAX_LINE);
	}
	dummy_clear(&d);
	dummy_list_clear(&rules.blacklist);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_from((const char *)data, size);

	if (conf == NULL)
		load();
	if (size < 2)
		return 0;
	if (data[0] % 2 == 0)
		play_session(str_skip(in, 2), (size_t)data[1] + 1);
	else
		play_dummy(str_skip(in, 2), (size_t)data[1] + 1);
	return 0;
}
