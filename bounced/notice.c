#include "bounced/notice.h"

#include <inttypes.h>

#include "lib/ev/ev.h"
#include "lib/mail/notice.h"

#define NOTICE_MAX_RCPTS 100

static uint32_t
count(struct str rcpts)
{
	struct str one;
	uint32_t n = 0;

	while (n < NOTICE_MAX_RCPTS && rcpts.len > 0 && str_next(&rcpts, ',', &one))
		n += one.len > 0;
	return n;
}

static int
build_envelope(struct composer *c, uint64_t id, struct str rcpts, uint64_t n_dots)
{
	struct envelope e = {
	    .id = id,
	    .accepted = ev_wall(),
	    .body_len = buf_len(&c->message),
	    .n_dots = n_dots,
	    .n_rcpts = count(rcpts),
	    .body = ENV_7BIT,
	    .is_report = true,
	    .no_dsn = true,
	    .priority = 50,
	};
	struct str one;

	buf_reset(&c->env);
	if (envelope_write(&c->env, &e) == -1)
		return -1;
	for (uint32_t n = 0; n < e.n_rcpts && str_next(&rcpts, ',', &one);) {
		struct env_rcpt rcpt = {.address = one, .notify = NOTIFY_NEVER};
		if (one.len == 0)
			continue;
		if (envelope_write_rcpt(&c->env, &rcpt) == -1)
			return -1;
		n++;
	}
	return 0;
}

int
notice_compose(
    struct composer *c, const struct str texts[3], const struct compose_out *out, struct why *why)
{
	uint64_t id, n_dots;
	char token[17];
	struct notice_text n = {.host = str_of(c->host),
	    .from = str_of(c->from),
	    .to = texts[0],
	    .subject = texts[1],
	    .text = texts[2],
	    .now = ev_wall()};

	if (count(texts[0]) == 0)
		return why_set(why, "The notice has no recipient.");
	id = out->new_id(out->ctx);
	snprintf(token, sizeof token, "%016" PRIx64, id);
	n.token = str_of(token);
	buf_reset(&c->message);
	if (notice_build(&c->message, &n, &n_dots) == -1 ||
	    build_envelope(c, id, texts[0], n_dots) == -1)
		return why_set(why, "The notice would be too long.");
	out->report(out->ctx, id, buf_str(&c->env), buf_str(&c->message));
	return 0;
}
