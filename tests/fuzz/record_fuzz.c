/*
 * Everything that is read back from the spool's own files, fed with anything: header lines, blocks, done-log lines,
 * and a segment whose middle is the input. The good records before and behind it must always be found, and whatever
 * comes as a record must have a sum that fits.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/spool/done_int.h"
#include "lib/spool/files_int.h"
#include "lib/spool/idfile_int.h"
#include "lib/spool/scan_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GENERATION 7
#define BEGIN	   STR("id: 00000000000000aa\nrcpts: 00000001\nrcpt: a\n\n")
#define END	   STR("id: 00000000000000bb\nrcpts: 00000001\nrcpt: b\n\n")

static void
add_record(struct buf *b, struct str env)
{
	char header[SPOOL_HEADER_LEN];
	struct str body = STR("body\r\n");
	uint64_t len = SPOOL_HEADER_LEN + env.len + body.len;
	uint32_t env_len = (uint32_t)(SPOOL_HEADER_LEN + env.len);

	envelope_header(header, record_core(env, body),
	    &(struct record_header){.len = len, .generation = GENERATION, .env_len = env_len});
	ph_assert(buf_add(b, header, sizeof header) == 0 && buf_add_str(b, env) == 0 &&
		  buf_add_str(b, body) == 0);
}

static void
scan_all(int fd, size_t size, uint32_t generation, unsigned *seen)
{
	struct scan s;
	struct scan_record r;
	enum scan_event e;
	uint64_t id;
	uint32_t n;

	scan_init(&s);
	scan_start(&s, fd, generation, 0, size);
	while ((e = scan_next(&s, &r)) <= SCAN_TORN) {
		if (e != SCAN_RECORD)
			continue;
		ph_assert(r.offset + r.h.len <= size);
		if (record_peek(r.env, &id, &n))
			*seen |= (id == 0xaa ? 1u : 0) | (id == 0xbb ? 2u : 0);
	}
	ph_assert(e == SCAN_END);
	scan_clear(&s);
}

static void
try_segment(struct str middle)
{
	struct buf b;
	unsigned seen = 0;
	int fd = memfd_create("segment", MFD_CLOEXEC);

	ph_assert(fd >= 0);
	buf_init(&b, 1 << 26);
	add_record(&b, BEGIN);
	ph_assert(buf_add_str(&b, middle) == 0);
	add_record(&b, END);
	ph_assert(pwrite_all(fd, buf_str(&b).p, buf_len(&b), 0) == 0);
	scan_all(fd, buf_len(&b), GENERATION, &seen);
	ph_assert(seen == 3);
	scan_all(fd, buf_len(&b), 0, &seen);
	buf_clear(&b);
	close(fd);
}

static void
try_blocks(struct str s)
{
	static char block[2 * BLOCK_BYTES];
	struct segment_header h;
	struct done_header d;
	struct idfile_text t;
	int fd = memfd_create("block", MFD_CLOEXEC);

	/* once as it comes, once with a sum that fits */
	memset(block, 0, sizeof block);
	memcpy(block, s.p, PH_MIN(s.len, sizeof block));
	(void)segment_header_parse(block, &h);
	block_close(block, PH_MIN(s.len, (size_t)BLOCK_BYTES - 64));
	(void)segment_header_parse(block, &h);
	(void)done_header_parse(block, &d);
	ph_assert(pwrite_all(fd, block, sizeof block, 0) == 0);
	(void)idfile_read(fd, &t);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_from((const char *)data, size);
	struct record_header h;
	struct segment_end e;
	struct done_line l;

	if (size > 1 << 20)
		return 0;
	(void)record_header_parse(s, &h);
	(void)segment_end_parse(s, &e);
	if (size >= DONE_LINE)
		(void)done_line_parse(s.p, 1, &l);
	try_blocks(s);
	try_segment(s);
	return 0;
}
