#include "deliverd/proxy.h"

#include "lib/base/num.h"

#define VERSION_2_PROXY 0x21
#define TCP_OVER_4	0x11
#define TCP_OVER_6	0x21

/* "PROXY" SP "TCP4" / "TCP6" SP source SP destination SP source-port SP destination-port CRLF */
static void
say_text(struct outq *q, const struct net_addr *client, const struct net_addr *dst)
{
	char from[NET_ADDR_TEXT], to[NET_ADDR_TEXT];

	outq_addf(q, "PROXY TCP%u %s %s %u %u\r\n", client->family, net_addr_text(client, from),
	    net_addr_text(dst, to), client->port, dst->port);
}

/* signature, version and command, family, length, addresses, ports */
static void
say_binary(struct outq *q, const struct net_addr *client, const struct net_addr *dst)
{
	static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
	size_t len = client->family == 4 ? 4 : 16;
	char ports[4] = {
	    (char)(client->port >> 8), (char)client->port, (char)(dst->port >> 8), (char)dst->port};
	char head[4] = {
	    VERSION_2_PROXY, client->family == 4 ? TCP_OVER_4 : TCP_OVER_6, 0, (char)(2 * len + 4)};

	outq_add(q, str_from(signature, sizeof signature));
	outq_add(q, str_from(head, sizeof head));
	outq_add(q, str_from((const char *)client->bytes, len));
	outq_add(q, str_from((const char *)dst->bytes, len));
	outq_add(q, str_from(ports, sizeof ports));
}

void
proxy_say(
    struct outq *q, unsigned version, const struct net_addr *client, const struct net_addr *dst)
{
	if (version == 2)
		say_binary(q, client, dst);
	else
		say_text(q, client, dst);
}
