/*
 * Rights: by address (http-access, the first line that fits), by key (http-api-key: all), by user (the access file).
 */
#include <sodium.h>
#include <unistd.h>

#include "lib/auth/access_file.h"
#include "lib/base/log.h"
#include "lib/base/num.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf.h"
#include "webd/webd.h"

#define MAX_KEY 128

struct rule {
	struct net_cidr cidr;
	struct visit visit;
};
static struct {
	struct rule *rules;
	size_t n_rules;
	const struct conf *conf; /* keys and names are asked there */
	struct access_file users;
	char host[256];
} rights;

static const char *const names[] = {"none", "monitor", "operator", "admin"};

const char *
access_name(enum access a)
{
	return names[a];
}

/* "CIDR none|monitor[,deny-logs]|operator|admin"; checked when it was loaded */
static void
add_rule(struct str line)
{
	struct rule *rule = &rights.rules[rights.n_rules];
	struct str cidr = STR_NULL, word = STR_NULL, what;
	bool has_both = str_next_word(&line, &cidr) && str_next_word(&line, &word);

	*rule = (struct rule){0};
	if (!has_both || !net_cidr_parse(cidr, &rule->cidr))
		return;
	if (!str_next(&word, ',', &what))
		return;
	for (size_t i = 0; i < countof(names); i++)
		if (str_ieq(what, str_of(names[i])))
			rule->visit.access = (enum access)i;
	rule->visit.no_logs = word.p != NULL && str_ieq(word, STR("deny-logs"));
	rule->visit.is_barred = rule->visit.access == ACCESS_NONE;
	rights.n_rules++;
}

static void
use_users(struct str text)
{
	struct why why;

	access_file_clear(&rights.users);
	/* master has tried it */
	if (text.len > 0 && access_file_parse(text, &rights.users, &why) == -1)
		log_error("event=access-file-unusable why=\"%s\"", why.text);
}

void
access_use_conf(const struct conf *c, struct str users)
{
	const struct conf_set *g = conf_global(c);
	size_t n = conf_n(g, CONF_GLOBAL_HTTP_ACCESS);

	rights.conf = c;
	rights.n_rules = 0;
	free(rights.rules);
	rights.rules = xcalloc(n + 1, sizeof *rights.rules);
	for (size_t i = 0; i < n; i++)
		add_rule(conf_item(g, CONF_GLOBAL_HTTP_ACCESS, i));
	use_users(users);
	if (rights.host[0] == '\0' && gethostname(rights.host, sizeof rights.host - 1) == -1)
		rights.host[0] = '\0';
}

void
access_clear(void)
{
	xfree(&rights.rules);
	access_file_clear(&rights.users);
}

struct visit
access_of(const struct net_addr *client)
{
	for (size_t i = 0; i < rights.n_rules; i++)
		if (net_cidr_has(&rights.rules[i].cidr, client))
			return rights.rules[i].visit;
	return (struct visit){.access = ACCESS_NONE};
}

bool
access_is_key(struct str key)
{
	const struct conf_set *g = conf_global(rights.conf);
	char given[MAX_KEY + 1] = "", ours[MAX_KEY + 1];
	bool is_one = false;

	if (key.len == 0 || str_copy(given, sizeof given, key) >= sizeof given)
		return false;
	/* all are compared, whole: time tells nothing */
	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_HTTP_API_KEY); i++) {
		struct str item = conf_item(g, CONF_GLOBAL_HTTP_API_KEY, i);
		memset(ours, 0, sizeof ours);
		if (item.len > 0 && str_copy(ours, sizeof ours, item) < sizeof ours)
			is_one |= sodium_memcmp(ours, given, sizeof ours) == 0;
	}
	explicit_bzero(given, sizeof given);
	explicit_bzero(ours, sizeof ours);
	return is_one;
}

bool
access_has_users(void)
{
	return rights.users.n > 0;
}

struct str
access_user(struct str name, enum access *a)
{
	for (size_t i = 0; i < rights.users.n; i++) {
		if (!str_eq(name, str_of(rights.users.users[i].name)))
			continue;
		*a = (enum access)rights.users.users[i].role;
		return str_of(rights.users.users[i].hash);
	}
	*a = ACCESS_NONE;
	return STR_NULL;
}

/* without ":port" */
static struct str
bare(struct str host)
{
	size_t colon = str_rfind(host, ':');
	uint32_t port;

	if (colon == STR_NPOS || !parse_u32(str_skip(host, colon + 1), 0, 65535, &port))
		return host;
	return str_sub(host, 0, colon);
}

bool
access_is_own_host(struct str host)
{
	const struct conf_set *g = conf_global(rights.conf);
	struct net_addr a;

	host = bare(host);
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		return net_addr_parse(str_sub(host, 1, host.len - 2), &a);
	if (net_addr_parse(host, &a) || str_ieq(host, STR("localhost")) ||
	    (rights.host[0] != '\0' && str_ieq(host, str_of(rights.host))))
		return true;
	for (size_t i = 0; i < conf_n(g, CONF_GLOBAL_HOST_NAME); i++)
		if (str_ieq(host, conf_item(g, CONF_GLOBAL_HOST_NAME, i)))
			return true;
	return false;
}
