/*
 * A file of the pickup directory, plain or BSMTP, put there by anybody: it ends as sent, bad or to be tried later, it is
 * sent when and only when its message was stored, and never more than one message of it is.
 */
#include "injectd/pickup_int.h"
#include "lib/ev/ev.h"
#include "tests/fuzz/intake.h"

#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char settings[] =
    "host-name mx.test\npostmaster you@mx.test\nspool /tmp\nlog-file /dev/null\n"
    "<virtual-mta v1>\n</virtual-mta>\n<source {pickup}>\nalways-allow-relaying yes\n"
    "process-x-virtual-mta yes\nprocess-x-job yes\nprocess-x-envid yes\nmax-message-size 3M\n"
    "</source>\n";

static struct {
	struct world world;
	bool is_over, is_sent;
} game;

static void
on_done(struct pickup_job *j, enum pickup_outcome outcome)
{
	assert(!game.is_over && (outcome == PICKUP_SENT || j->why.smtp_code >= 400));
	assert(outcome == PICKUP_SENT || strlen(j->why.text) > 0);
	game.is_over = true;
	game.is_sent = outcome == PICKUP_SENT;
	pickup_job_clear(j);
}

static void
play(const uint8_t *data, size_t size, unsigned stored_before)
{
	struct pickup_job j = {.id = 7, .done = on_done, .fd = memfd_create("pickup", MFD_CLOEXEC)};
	/* each turn takes a piece of the file, or a reply */
	size_t turns = 100 + size;
	struct taken t = {.n = stored_before};

	assert(j.fd != -1 && write(j.fd, data, size) == (ssize_t)size);
	taken = &t;
	game.is_over = game.is_sent = false;
	pickup_job_start(&j, &game.world);
	while (!game.is_over && turns-- > 0) {
		(void)settle_disk();
		if (!game.is_over)
			j.feed.step(&j.feed);
	}
	assert(game.is_over && t.token == NULL && t.n <= stored_before + 1);
	assert(game.is_sent == (t.n == stored_before + 1 && !is_disk_full()));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (game.world.conf == NULL) {
		ev_init();
		world_init(&game.world, &intake, NULL);
		world_use_conf(&game.world, load_conf(settings));
	}
	play(data, size, 0);
	play(data, size, 2); /* the third finds the disk full */
	return 0;
}
