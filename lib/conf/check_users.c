/* What a <smtp-user> needs to be able to log in. */
#include <sodium.h>

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

static void
check_password(struct conf_load *l, struct conf_blk *b)
{
	struct conf_value *v = conf_blk_value(b, CONF_USER_PASSWORD);
	char *text;

	if (v == NULL || v->n == 0 || v->items[0].text.len == 0) {
		conf_note(l, b->at, "<smtp-user %.*s> has no password and cannot log in",
		    STR_ARG(b->name));
		return;
	}
	if (!str_has_prefix(v->items[0].text, STR("$argon2")))
		return;
	text = xstrdup_str(v->items[0].text);
	/* -1: it is not a hash of a kind that can be tried; 1: other limits than today's */
	if (crypto_pwhash_str_needs_rehash(text, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		crypto_pwhash_MEMLIMIT_INTERACTIVE) == -1 ||
	    !str_has_prefix(v->items[0].text, STR(crypto_pwhash_STRPREFIX)))
		conf_error(l, v->at, "password: not a hash as made by pmtactl hash-password");
	free(text);
}

static void
check_user(struct conf_load *l, struct conf_blk *b)
{
	static const char *const methods[] = {"password", "system", "certificate"};
	struct conf_value *v = conf_blk_value(b, CONF_USER_AUTHENTICATION_METHOD);
	const char *method = methods[v == NULL || v->n == 0 ? 0 : v->items[0].num % 3];

	if (method == methods[0])
		check_password(l, b);
	else if (method == methods[1])
		conf_note(l, v->at,
		    "authentication-method system is not supported, the user cannot log in: no "
		    "process that talks to clients may read this machine's passwords");
	else if (conf_blk_value(b, CONF_USER_TLS_CERTIFICATE) == NULL)
		conf_error(l, v->at, "authentication-method certificate needs a tls-certificate");
}

void
conf_check_users(struct conf_load *l)
{
	for (size_t i = 0; i < l->c->n_blocks && !l->is_snapshot; i++)
		if (l->c->blocks[i]->kind == CONF_BLOCK_USER && !l->c->blocks[i]->is_dead)
			check_user(l, l->c->blocks[i]);
}
