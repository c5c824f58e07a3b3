/*
 * The pages themselves: files of webd/ui, which are part of the program. They hold nothing but how to ask and show;
 * every address under /ui/ is the one page, whose script reads the rest of the address.
 */
#include <microhttpd.h>

#include "webd/webd.h"

static const struct page {
	const char *name, *type;
	size_t len;
	const unsigned char *bytes;
} pages[] = {
#define PAGE(name, type, len, ...) {name, type, len, (const unsigned char[]){__VA_ARGS__}},
#include "webd/pages.inc"
#undef PAGE
};

static bool
serve(struct request *r, struct str name)
{
	for (size_t i = 0; i < countof(pages); i++) {
		const struct page *p = &pages[i];
		if (!str_eq(name, str_of(p->name)))
			continue;
		request_reply(r, MHD_HTTP_OK, p->type, str_from((const char *)p->bytes, p->len));
		return true;
	}
	return false;
}

bool
pages_serve(struct request *r)
{
	struct str path = str_of(r->path);

	if (str_eq(path, STR("/ui"))) {
		request_redirect(r, "/ui/");
		return true;
	}
	if (str_has_prefix(path, STR("/static/")))
		return serve(r, str_skip(path, 8));
	return str_has_prefix(path, STR("/ui/")) && serve(r, STR("index.html"));
}
