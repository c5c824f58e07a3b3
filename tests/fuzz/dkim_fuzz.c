/*
 * A stranger's message on its way to a signature. The first byte says where it is cut, what follows up to an empty line
 * is a header section, all of it also an X-DKIM-Options field, an address list and a key. Canonical text does not
 * depend on the cut, holds no line that ends otherwise than with CRLF where the message's do, and a signature field
 * never has a line that is no continuation.
 */
#include <assert.h>

#include "lib/base/xalloc.h"
#include "lib/dkim/identity.h"
#include "lib/dkim/keyfile.h"
#include "lib/dkim/options.h"
#include "lib/dkim/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
gather(void *arg, const char *p, size_t len)
{
	assert(buf_add(arg, p, len) == 0);
}

static void
canon_body(struct str body, size_t cut, enum dkim_canon c, struct buf *out)
{
	struct dkim_body b;

	buf_reset(out);
	dkim_body_init(&b, c, gather, out);
	if (cut > 0)
		for (size_t at = 0; at < body.len; at += cut)
			dkim_body_add(&b, str_sub(body, at, cut));
	else
		dkim_body_add(&b, body);
	dkim_body_end(&b);
	assert(b.len == buf_len(out));
	assert(buf_len(out) <= body.len + 2);
	assert(buf_len(out) == 0 || str_has_suffix(buf_str(out), STR("\r\n")));
}

static void
check_body(struct str body, size_t cut)
{
	struct buf whole, parts;

	buf_init(&whole, 2 * body.len + 16);
	buf_init(&parts, 2 * body.len + 16);
	for (int c = DKIM_RELAXED; c <= DKIM_SIMPLE; c++) {
		canon_body(body, 0, (enum dkim_canon)c, &whole);
		canon_body(body, cut, (enum dkim_canon)c, &parts);
		assert(str_eq(buf_str(&whole), buf_str(&parts)));
	}
	buf_clear(&whole);
	buf_clear(&parts);
}

static void
check_lines(struct str field)
{
	struct str line;

	assert(str_has_prefix(field, STR("DKIM-Signature: ")));
	assert(str_has_suffix(field, STR("\r\n")));
	field.len--;
	str_next(&field, '\n', &line);
	while (field.len > 0 && str_next(&field, '\n', &line))
		assert(line.len > 1 && line.p[0] == '\t' && line.p[1] != '\r');
}

static void
check_signature(struct str header, const struct dkim_identity *id)
{
	struct dkim_spec spec = {.algorithm = DKIM_RSA_SHA256,
	    .domain = str_of(id->domain),
	    .selector = STR("s"),
	    .local = str_of(id->local),
	    .identity_domain = str_of(id->domain)};
	struct dkim_body_result body = {0};
	uint8_t digest[DKIM_HASH_LEN];
	struct buf field;

	buf_init(&field, DKIM_MAX_FIELD);
	for (int c = DKIM_RELAXED; c <= DKIM_SIMPLE; c++) {
		spec.header_canon = (enum dkim_canon)c;
		if (dkim_begin(&spec, header, &body, &field, digest) == -1 ||
		    dkim_finish(&field, STR("signature")) == -1)
			continue;
		check_lines(buf_str(&field));
	}
	buf_clear(&field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dkim_identity id = {0};
	struct dkim_options o;
	struct dkim_key *key;
	struct why why;
	struct str text;
	size_t at;

	if (size == 0)
		return 0;
	dkim_hash_prepare();
	text = str_from((const char *)data + 1, size - 1);
	if (dkim_options_parse(text, &o))
		assert(o.selector.len <= 253 && o.domain.len <= 253);
	if (dkim_identity_of_field(text, &id))
		assert(id.domain[0] != '\0');
	(void)dkim_identity_of_text(text, &id);
	(void)dkim_find_body(text, false, &at);
	assert(dkim_find_body(text, true, &at) && at <= text.len);
	check_body(str_skip(text, at), data[0]);
	if (!dkim_identity_find(STR("sender-or-from"), str_sub(text, 0, at), &id))
		id = (struct dkim_identity){.domain = "b.example"};
	check_signature(str_sub(text, 0, at), &id);
	if (str_has_prefix(text, STR("-----")) && (key = dkim_key_parse(text, &why)) != NULL)
		dkim_key_free(&key);
	return 0;
}
