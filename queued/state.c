#include "queued/state.h"

#include "lib/daemon/daemon.h"
#include "queued/job.h"
#include "queued/run.h"
#include "queued/spool/segment.h"

#define MAX_UNACKED 20000
#define MAX_JUDGING 50000

struct queued qd = {.spool_fd = -1};

void
state_init(void)
{
	slab_init(&qd.messages, sizeof(struct message));
	slab_init(&qd.rcpts, sizeof(struct rcpt));
	slab_init(&qd.queues, sizeof(struct queue_brief));
	slab_init(&qd.jobs, sizeof(struct job));
	slab_init(&qd.segments, sizeof(struct segment));
	TAILQ_INIT(&qd.run_line);
	limit_init(&qd.total_out, "total-max-smtp-out", STR(""));
	limit_init(&qd.total_file, "total-max-file", STR(""));
	limit_init(&qd.accounting, "records not yet on disk", STR(""));
	limit_init(&qd.judging, "failures not yet judged", STR(""));
	limit_init(&qd.no_deliverd, "deliverd", STR(""));
	qd.accounting.max = MAX_UNACKED;
	qd.accounting.is_shared = true;
	qd.judging.max = MAX_JUDGING;
	qd.judging.is_shared = true;
	qd.no_deliverd.max = 0;
	qd.no_deliverd.is_shared = true;
	ev_defer_init(&qd.run, run_turn);
}

struct limit *
limit_of_all(unsigned type)
{
	return type == DELIVERY_FILE ? &qd.total_file : &qd.total_out;
}

static void
read_acct_wants(void)
{
	static const struct {
		struct str name;
		int type;
	} rows[] = {{STR("d"), ACCT_DELIVERED}, {STR("b"), ACCT_BOUNCED},
	    {STR("t"), ACCT_TRANSIENT}, {STR("tq"), ACCT_QUEUE}, {STR("r"), ACCT_RECEIVED},
	    {STR("rb"), ACCT_REMOTE_BOUNCE}, {STR("rs"), ACCT_REMOTE_STATUS},
	    {STR("f"), ACCT_COMPLAINT}};
	const struct conf *c = daemon_conf();
	unsigned bits = 0;

	for (size_t f = 0; f < conf_n_blocks(c, CONF_BLOCK_ACCT); f++) {
		const struct conf_set *set = conf_block_at(c, CONF_BLOCK_ACCT, f);
		for (size_t i = 0; i < conf_n(set, CONF_ACCT_RECORDS); i++) {
			for (size_t k = 0; k < countof(rows); k++) {
				if (str_ieq(conf_item(set, CONF_ACCT_RECORDS, i), rows[k].name))
					bits |= 1u << rows[k].type;
			}
		}
	}
	qd.acct_wants = (uint16_t)bits;
}

void
state_configure(void)
{
	const struct conf_set *g = conf_global(daemon_conf());

	qd.total_out.max = conf_u64(g, CONF_GLOBAL_TOTAL_MAX_SMTP_OUT);
	qd.total_out.set = g;
	qd.total_out.key = CONF_GLOBAL_TOTAL_MAX_SMTP_OUT;
	qd.total_file.max = conf_u64(g, CONF_GLOBAL_TOTAL_MAX_FILE);
	qd.total_file.set = g;
	qd.total_file.key = CONF_GLOBAL_TOTAL_MAX_FILE;
	read_acct_wants();
}
