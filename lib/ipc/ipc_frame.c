#include "lib/ipc/ipc_int.h"

#include "lib/base/log.h"

static size_t
padded(size_t len)
{
	return (len + IPC_ALIGN - 1) & ~(size_t)(IPC_ALIGN - 1);
}

static size_t
frame_len(const struct ipc_row *row, const struct str *texts)
{
	size_t len = sizeof(struct ipc_frame) + row->head_size + row->n_texts * sizeof(uint16_t);

	for (size_t i = 0; i < row->n_texts; i++) {
		ph_assert(texts[i].len <= UINT16_MAX);
		len += texts[i].len;
	}
	return padded(len);
}

static const struct ipc_row *
permitted_row(const struct ipc_chan *c, enum ipc_type type, int fd)
{
	const struct ipc_row *row = ipc_row(type);

	if (row == NULL || !(row->from & ROLE_BIT(c->self)) || !(row->to & ROLE_BIT(c->peer)))
		panic("ipc: %s may not send %s to %s", ipc_role_name(c->self), ipc_type_name(type),
		    ipc_role_name(c->peer));
	if (row->with_fd != (fd != -1))
		panic("ipc: %s %s a descriptor", row->name, row->with_fd ? "without" : "with");
	return row;
}

void
ipc_frame_append(
    struct ipc_chan *c, enum ipc_type type, const void *head, const struct str *texts, int fd)
{
	const struct ipc_row *row = permitted_row(c, type, fd);
	size_t len = frame_len(row, texts), room;
	struct ipc_frame f = {.len = (uint32_t)len, .type = (uint16_t)type};
	char *p, *end;

	if (len > IPC_MAX_FRAME)
		panic("ipc: %s of %zu bytes", row->name, len);
	p = buf_reserve(&c->out, len, &room);
	if (p == NULL || room < len) {
		ipc_break(c, "%s does not read: %zu bytes wait for it", ipc_role_name(c->peer),
		    buf_len(&c->out));
		return;
	}
	if (fd != -1) {
		f.flags = IPC_FLAG_FD;
		if (ipc_out_fd_add(c, fd) == -1)
			return;
	}
	end = p + len;
	memcpy(p, &f, sizeof f);
	if (head == NULL)
		memset(p + sizeof f, 0, row->head_size);
	else
		memcpy(p + sizeof f, head, row->head_size);
	p += sizeof f + row->head_size;
	for (size_t i = 0; i < row->n_texts; i++, p += sizeof(uint16_t))
		memcpy(p, &(uint16_t){(uint16_t)texts[i].len}, sizeof(uint16_t));
	for (size_t i = 0; i < row->n_texts; i++) {
		if (texts[i].len > 0)
			memcpy(p, texts[i].p, texts[i].len);
		p += texts[i].len;
	}
	memset(p, 0, (size_t)(end - p));
	buf_wrote(&c->out, len);
}

/* the texts behind their lengths; false: the lengths lie, or the padding is not what it must be */
static bool
parse_texts(const struct ipc_row *row, struct str rest, struct ipc_msg *m)
{
	const char *lens = rest.p;
	size_t used = row->n_texts * sizeof(uint16_t);
	uint16_t len;

	if (rest.len < used)
		return false;
	for (size_t i = 0; i < row->n_texts; i++) {
		memcpy(&len, lens + i * sizeof len, sizeof len);
		if (len > rest.len - used)
			return false;
		m->text[i] = str_from(rest.p + used, len);
		used += len;
	}
	if (rest.len - used >= IPC_ALIGN)
		return false;
	for (; used < rest.len; used++) {
		if (rest.p[used] != '\0')
			return false;
	}
	return true;
}

int
ipc_frame_parse(struct str bytes, enum ipc_role from, enum ipc_role to, struct ipc_msg *m,
    bool *with_fd, struct why *why)
{
	struct ipc_frame f;
	const struct ipc_row *row;
	size_t fixed;

	if (bytes.len < sizeof f)
		return 0;
	memcpy(&f, bytes.p, sizeof f);
	row = ipc_row(f.type);
	if (row == NULL)
		return why_set(why, "a message of unknown type %u", f.type);
	if (!(row->from & ROLE_BIT(from)) || !(row->to & ROLE_BIT(to)))
		return why_set(why, "%s is not for %s to send to %s", row->name,
		    ipc_role_name(from), ipc_role_name(to));
	fixed = sizeof f + row->head_size;
	if (f.len < fixed || f.len > IPC_MAX_FRAME || f.len % IPC_ALIGN != 0)
		return why_set(why, "%s with a length of %u bytes", row->name, f.len);
	if (f.flags != (row->with_fd ? IPC_FLAG_FD : 0u))
		return why_set(why, "%s with flags %#x", row->name, f.flags);
	if (bytes.len < f.len)
		return 0;
	*m = (struct ipc_msg){.type = (enum ipc_type)f.type, .fd = -1, .head = bytes.p + sizeof f};
	if (!parse_texts(row, str_sub(bytes, fixed, f.len - fixed), m))
		return why_set(
		    why, "%s with texts that do not fit into %u bytes", row->name, f.len);
	*with_fd = row->with_fd;
	return (int)f.len;
}
