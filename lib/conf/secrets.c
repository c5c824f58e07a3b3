/* Values that only some may know: passwords, tokens, and where certificates lie together with their passwords. */
#include "lib/conf/conf_int.h"

static const struct {
	enum conf_key key;
	unsigned readers; /* enum conf_reader */
} secrets[] = {
    {CONF_USER_PASSWORD, CONF_FOR_INJECTION},
    {CONF_GLOBAL_SMTP_SERVER_TLS_CERTIFICATE, CONF_FOR_INJECTION},
    {CONF_LISTENER_TLS_CERTIFICATE, CONF_FOR_INJECTION},
    {CONF_DOMAIN_AUTH_PASSWORD, CONF_FOR_DELIVERY},
    {CONF_DOMAIN_SMTP_CLIENT_CERTIFICATE, CONF_FOR_DELIVERY},
    {CONF_GLOBAL_HTTP_API_KEY, CONF_FOR_MONITOR},
    {CONF_GLOBAL_HTTP_TLS_CERTIFICATE, CONF_FOR_MONITOR},
    {CONF_GLOBAL_VOLUME_AUDIT_API_KEY, 0},
    {CONF_API_API_KEY, CONF_FOR_INJECTION},
    {CONF_APILISTENER_TLS_CERTIFICATE, CONF_FOR_INJECTION},
    {CONF_VAULT_ACCESS_TOKEN, 0},
    {CONF_SIGNALS_API_KEY, 0},
};

bool
conf_may_read(enum conf_key k, unsigned readers)
{
	for (size_t i = 0; i < countof(secrets); i++)
		if (secrets[i].key == k)
			return readers == CONF_FOR_ALL || (secrets[i].readers & readers) != 0;
	return true;
}
