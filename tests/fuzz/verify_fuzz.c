/* A signature that came, and its key's record: the text up to the first NUL is the header, the rest the record. */
#include "lib/base/log.h"
#include "lib/dkim/verify.h"
#include "lib/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	struct str all = str_from((const char *)data, size);
	size_t nul = str_find(all, '\0');
	struct str header = str_sub(all, 0, nul);
	struct str record = nul == STR_NPOS ? STR_NULL : str_skip(all, nul + 1);
	uint8_t digest[DKIM_HASH_LEN];
	struct dkim_found f;
	struct dkim_body_hash *body;
	struct header_field field;
	struct why why;

	if (!is_ready)
		dkim_hash_prepare();
	is_ready = true;
	if (!header_find(header, STR("DKIM-Signature"), &field) ||
	    dkim_found_parse(field.whole, &f, &why) == -1)
		return 0;
	ph_assert(f.algorithm != DKIM_NO_ALGORITHM && f.domain[0] != '\0' && f.selector[0] != '\0');
	body = dkim_found_body(&f);
	dkim_body_hash_add(body, record);
	(void)!dkim_found_body_fits(&f, &body);
	if (dkim_found_digest(&f, header, field.whole, digest) == 0)
		ph_assert(dkim_found_try(&f, record, digest, &why) <= 1);
	return 0;
}
