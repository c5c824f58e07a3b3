#include "deliverd/settings.h"

/* RFC 5321 4.5.3.2, where the dialect has no directive of its own */
#define COMMAND_MS (5 * 60 * 1000)
#define DATA_MS	   (2 * 60 * 1000)
/* ours: a peer that stalls here keeps only its own connection */
#define TLS_MS	(60 * 1000)
#define QUIT_MS (5 * 1000)

static enum session_tls
tls_of(const struct conf_set *set)
{
	if (conf_bool(set, CONF_DOMAIN_REQUIRE_STARTTLS))
		return SESSION_TLS_MUST;
	return conf_bool(set, CONF_DOMAIN_USE_STARTTLS) ? SESSION_TLS_MAY : SESSION_TLS_NO;
}

void
settings_read(const struct conf_set *set, struct settings *s)
{
	*s = (struct settings){
	    .session = {
		.connect_ms = conf_ms(set, CONF_DOMAIN_CONNECT_TIMEOUT),
		.greeting_ms = conf_ms(set, CONF_DOMAIN_SMTP_GREETING_TIMEOUT),
		.command_ms = COMMAND_MS,
		.data_ms = DATA_MS,
		.send_ms = conf_ms(set, CONF_DOMAIN_DATA_SEND_TIMEOUT),
		.dot_ms = conf_ms(set, CONF_DOMAIN_SMTP_DATA_TERMINATION_TIMEOUT),
		.multiline_ms = conf_ms(set, CONF_DOMAIN_SMTP_MULTIPLE_LINE_RESPONSE_TIMEOUT),
		.tls_ms = TLS_MS,
		.quit_ms = QUIT_MS,
		.tls = (uint8_t)tls_of(set),
		.ignore_8bitmime = conf_bool(set, CONF_DOMAIN_IGNORE_8BITMIME),
		.ignore_chunking = conf_bool(set, CONF_DOMAIN_IGNORE_CHUNKING),
		.ignore_pipelining = conf_bool(set, CONF_DOMAIN_IGNORE_PIPELINING),
		.ignore_dsn = conf_bool(set, CONF_DOMAIN_IGNORE_DSN),
		.break_on_421 = conf_bool(set, CONF_DOMAIN_SMTP_421_MEANS_MX_UNAVAILABLE),
		.assume_delivered =
		    conf_bool(set, CONF_DOMAIN_ASSUME_DELIVERY_UPON_DATA_TERMINATION_TIMEOUT),
		.auth_in_clear = conf_bool(set, CONF_DOMAIN_USE_UNENCRYPTED_PLAIN_AUTH),
		.pix_workaround = conf_bool(set, CONF_DOMAIN_PIX_BUG_WORKAROUND),
		.bounce_broken = conf_bool(set, CONF_DOMAIN_BOUNCE_UPON_TRANSFER_FAILURE),
		.bounce_broken_pix = conf_bool(set, CONF_DOMAIN_BOUNCE_UPON_PIX_TRANSFER_FAILURE),
		.auth_user = conf_str(set, CONF_DOMAIN_AUTH_USERNAME),
		.auth_password = conf_str(set, CONF_DOMAIN_AUTH_PASSWORD),
	    }};
	tls_client_spec(set, &s->tls);
	s->reuse_tls_session = conf_bool(set, CONF_DOMAIN_REUSE_SSL_SESSION);
}
