#include "acctd/sink.h"

#include "acctd/feed.h"
#include "acctd/post.h"
#include "acctd/spill.h"
#include "lib/base/xalloc.h"

struct sink {
	struct acct_def *def; /* owned, but a file's: that is the file's */
	struct acct_file *file;
	struct spill *spill;
	struct feed *feed; /* DEF_PIPE */
	struct post *post; /* DEF_POST */
	bool is_flushed;   /* `rotate`: what there is goes now; the writer's until it comes back */
};

struct sink *
sink_new(struct acct_def *def, int spool_fd, struct runner *r)
{
	struct sink *s = xcalloc(1, sizeof *s);

	s->def = def;
	if (def->kind == DEF_FILE) {
		s->file = acct_file_new(def, -1, -1);
		return s;
	}
	s->spill = spill_new(spool_fd, def);
	if (def->kind == DEF_PIPE)
		s->feed = feed_new(r, s->spill, def);
	else
		s->post = post_new(r, s->spill, def);
	return s;
}

void
sink_free(struct sink **sp)
{
	struct sink *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	feed_free(&s->feed);
	post_free(&s->post);
	if (s->spill != NULL)
		acct_def_free(&s->def);
	spill_free(&s->spill);
	acct_file_free(&s->file);
	free(s);
}

const struct acct_def *
sink_def(const struct sink *s)
{
	return s->def;
}

bool
sink_use(struct sink *s, struct acct_def **def)
{
	struct acct_def *old = s->def;

	if (s->file != NULL) {
		if (!acct_def_eq(s->def, *def))
			return false;
		acct_def_free(def);
		return true;
	}
	if (old->kind != (*def)->kind || old->same != (*def)->same ||
	    strcmp(old->path, (*def)->path) != 0)
		return false;
	s->def = *def;
	*def = NULL;
	spill_use(s->spill, s->def);
	if (s->feed != NULL)
		feed_use(s->feed, s->def);
	else
		post_use(s->post, s->def);
	acct_def_free(&old);
	return true;
}

void
sink_set_dirs(struct sink *s, int dir_fd, int move_fd)
{
	if (s->file != NULL)
		acct_file_set_dirs(s->file, dir_fd, move_fd);
}

int
sink_commit(struct sink *s, struct buf *data, struct wall now, bool rotate, struct why *why)
{
	if (s->file != NULL)
		return acct_file_commit(s->file, data, now, rotate, why);
	s->is_flushed |= rotate;
	return spill_commit(s->spill, data, why);
}

bool
sink_is_due(struct sink *s, struct wall now)
{
	return s->file != NULL ? acct_file_is_due(s->file, now) : !spill_is_ready(s->spill);
}

int64_t
sink_interval_left_ms(const struct sink *s, struct wall now)
{
	return s->file != NULL ? acct_file_interval_left_ms(s->file, now) : INT64_MAX;
}

bool
sink_note(struct sink *s, struct why *note)
{
	return s->file != NULL && acct_file_note(s->file, note);
}

struct spill *
sink_spill(const struct sink *s)
{
	return s->spill;
}

void
sink_written(struct sink *s)
{
	if (s->spill == NULL)
		return;
	spill_written(s->spill);
	sink_kick(s);
	if (s->post != NULL && s->is_flushed)
		post_now(s->post);
	s->is_flushed = false;
}

void
sink_kick(struct sink *s)
{
	if (s->feed != NULL)
		feed_kick(s->feed);
	if (s->post != NULL)
		post_kick(s->post);
}

void
sink_stop(struct sink *s)
{
	if (s->feed != NULL)
		feed_stop(s->feed);
	if (s->post != NULL)
		post_stop(s->post);
}

bool
sink_is_idle(const struct sink *s)
{
	if (s->feed != NULL)
		return feed_is_idle(s->feed);
	return s->post == NULL || post_is_idle(s->post);
}

uint64_t
sink_waiting(const struct sink *s)
{
	if (s->feed != NULL)
		return feed_waiting(s->feed);
	return s->post == NULL ? 0 : post_waiting(s->post);
}
