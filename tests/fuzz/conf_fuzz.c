/*
 * The configuration's parser, fed with anything: as a file, and as a snapshot. What is accepted must be printed so
 * that it reads the same again.
 */
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"
#include "lib/conf/diff.h"
#include "lib/conf/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
printed(const struct conf *c)
{
	struct buf b;
	char *text;

	buf_init(&b, (size_t)1 << 26);
	conf_put_text(c, &b, false);
	text = xstrdup_str(buf_str(&b));
	buf_clear(&b);
	return text;
}

static void
check_same(const struct conf *c, const struct conf *again)
{
	struct conf_differences d;

	conf_diff(c, again, &d);
	if (d.n > 0)
		panic("printed, it differs: %s %s", d.list[0].where, d.list[0].text);
	conf_diff_clear(&d);
}

static void
check_again(const struct conf *c)
{
	char *first = printed(c), *second;
	struct conf_messages m;
	struct conf *again =
	    conf_load_text(str_of(first), "again", &m, CONF_ANY_ADDRESS | CONF_NO_INCLUDE);

	if (again == NULL)
		panic("printed, but not accepted again: %s\n%s", m.n > 0 ? m.list[0].text : "?",
		    first);
	second = printed(again);
	if (strcmp(first, second) != 0)
		panic("printed differently:\n%s\n----\n%s", first, second);
	check_same(c, again);
	free(first);
	free(second);
	conf_messages_clear(&m);
	conf_free(&again);
}

static void
ask(const struct conf *c, struct str text)
{
	struct net_addr a = {.family = 4, .bytes = {127, 0, 0, 1}};
	struct str word = str_sub(text, 0, 40);

	conf_queue(c, word, STR_NULL);
	conf_queue(c, STR("a.example"), word);
	conf_source(c, &a);
	conf_source_with(c, word, &a);
	conf_is_relay_rcpt(c, word);
	conf_vmta(c, word);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char needed[] = "log-file /l\nspool /s\n";
	struct str text = str_from((const char *)data, size);
	struct conf_messages m;
	struct conf_lines lines = {0};
	char *whole = xmalloc(size + sizeof needed);
	struct conf *c;

	memcpy(whole, needed, sizeof needed - 1);
	memcpy(whole + sizeof needed - 1, data, size);
	c = conf_load_text_lines(str_from(whole, size + sizeof needed - 1), "fuzz", &m,
	    CONF_ANY_ADDRESS | CONF_NO_INCLUDE, &lines);
	if (c != NULL) {
		check_again(c);
		ask(c, text);
	}
	conf_messages_clear(&m);
	conf_lines_clear(&lines);
	conf_free(&c);
	memcpy(whole, data, size);
	c = conf_load_snapshot(whole, size, &m);
	conf_messages_clear(&m);
	conf_free(&c);
	free(whole);
	return 0;
}
