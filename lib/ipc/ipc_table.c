/* the structs come first, so that padding in any of them is an error here */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "lib/ipc/structs.h"
#pragma GCC diagnostic pop

#include "lib/ipc/ipc_int.h"

#define MSG(name, number, from, to, head, texts, fd)                                               \
	_Static_assert(sizeof(head) % 4 == 0 && sizeof(head) <= 1024, #name ": size of its head"); \
	_Static_assert((texts) <= IPC_MAX_TEXTS, #name ": number of texts");
#include "lib/ipc/messages.def"
#undef MSG

#define MAX_TYPE 127

static const struct ipc_row rows[MAX_TYPE + 1] = {
#define MSG(name, number, from, to, head, texts, fd)                                               \
	[number] = {#name, (from), (to), (uint16_t)sizeof(head), (uint8_t)(texts), (fd) != 0},
#include "lib/ipc/messages.def"
#undef MSG
};

static const char *const role_names[ROLE_MAX] = {
    [ROLE_NONE] = "none",
    [ROLE_MASTER] = "master",
    [ROLE_INJECT] = "injectd",
    [ROLE_QUEUE] = "queued",
    [ROLE_DNS] = "dnsd",
    [ROLE_DELIVER] = "deliverd",
    [ROLE_BOUNCE] = "bounced",
    [ROLE_ACCT] = "acctd",
    [ROLE_SIGN] = "signd",
    [ROLE_EXEC] = "execd",
    [ROLE_FBL] = "fbld",
    [ROLE_WEB] = "webd",
    [ROLE_CTL] = "pmtactl",
};

const char *
ipc_role_name(enum ipc_role role)
{
	return (unsigned)role < ROLE_MAX ? role_names[role] : "?";
}

const struct ipc_row *
ipc_row(uint32_t type)
{
	return type <= MAX_TYPE && rows[type].name != NULL ? &rows[type] : NULL;
}

const char *
ipc_type_name(uint32_t type)
{
	const struct ipc_row *row = ipc_row(type);

	return row == NULL ? "?" : row->name;
}

/* FNV-1a: guards against mixed builds, not against anybody's intent */
static uint64_t
mix(uint64_t h, const void *p, size_t len)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t
ipc_protocol_hash(void)
{
	static uint64_t hash;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	if (hash != 0)
		return hash;
	h = mix(h, PH_VERSION, sizeof PH_VERSION);
	for (uint32_t i = 0; i <= MAX_TYPE; i++) {
		const struct ipc_row *r = &rows[i];
		const uint32_t n[] = {i, r->from, r->to, r->head_size, r->n_texts, r->with_fd};
		if (r->name == NULL)
			continue;
		h = mix(h, r->name, strlen(r->name));
		h = mix(h, n, sizeof n);
	}
	hash = h;
	return hash;
}
