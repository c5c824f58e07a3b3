#include "pmtactl/cat.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/spool/reader.h"

#define CAT_MAX (1024u * 1024 * 1024)

static uint64_t
number(const struct tree *t, const char *name)
{
	uint64_t v = 0;

	parse_u64(str_of(tree_get(t, "place.%s", name)), 0, UINT64_MAX, &v);
	return v;
}

/* the record holds the message as it goes over the wire; people get it as it was written: without added dots */
static int
print_bytes(struct str record, size_t env_len, FILE *out)
{
	struct str s = str_skip(record, env_len);
	size_t next;

	fwrite(record.p, 1, PH_MIN(env_len, record.len), out);
	while (s.len > 0) {
		if (s.p[0] == '.')
			s = str_skip(s, 1);
		next = str_find_str(s, STR("\r\n"));
		next = next == STR_NPOS ? s.len : next + 2;
		fwrite(s.p, 1, next, out);
		s = str_skip(s, next);
	}
	return ferror(out) || fflush(out) == EOF ? -1 : 0;
}

static int
print_record(int dirfd, const struct spool_place *p, FILE *out, struct why *why)
{
	struct spool_reader *r = spool_reader_new(dirfd);
	struct buf b;
	int result;

	buf_init(&b, CAT_MAX);
	result = spool_read(r, p, CAT_MAX, &b, NULL, NULL, why);
	if (result == 0 && print_bytes(buf_str(&b), p->env_len, out) == -1)
		result = why_errno(why, "Cannot write");
	buf_clear(&b);
	spool_reader_free(&r);
	return result;
}

int
cat_print(const struct conf *c, const char *id, const struct tree *t, FILE *out, struct why *why)
{
	struct spool_place p = {.kind = (uint16_t)number(t, "kind"),
	    .writer = (uint16_t)number(t, "writer"),
	    .segment = (uint32_t)number(t, "segment"),
	    .generation = (uint32_t)number(t, "generation"),
	    .offset = number(t, "offset"),
	    .len = number(t, "len"),
	    .env_len = (uint32_t)number(t, "envLen")};
	char *dir = xstrdup_str(conf_block_name(c, CONF_BLOCK_SPOOL, 0));
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	free(dir);
	if (fd == -1)
		return why_errno(why, "Cannot open the spool");
	if (!parse_hex64(str_of(id), 16, &p.id))
		return why_set(why, "An id is 16 hexadecimal digits.");
	r = print_record(fd, &p, out, why);
	if (close(fd) == -1)
		return why_errno(why, "close");
	return r;
}
