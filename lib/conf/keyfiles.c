/* The files of private keys that a configuration names, wherever; and those that a directory of keys holds. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/xalloc.h"
#include "lib/conf/conf_int.h"

#define DIRECTORY_MAX 100000 /* keys that one directory may hold */

/* ---- the list ---- */

/* where in a value the file's name is */
static const struct {
	enum conf_key key;
	enum { THIRD_OF_LIST, FIRST_WORD, WHOLE } how;
} places[] = {
    {CONF_GLOBAL_DOMAIN_KEY, THIRD_OF_LIST},
    {CONF_VMTA_DOMAIN_KEY, THIRD_OF_LIST},
    {CONF_POOL_DOMAIN_KEY, THIRD_OF_LIST},
    {CONF_KEYLIST_DOMAIN_KEY, THIRD_OF_LIST},
    {CONF_DOMAIN_DKIM_SIGN_KEY, FIRST_WORD},
    {CONF_VMTA_DKIM_SIGN, FIRST_WORD},
    {CONF_DKIM_PRIVATE_KEY_FILE, WHOLE},
    {CONF_KEY_PRIVATE_KEY, WHOLE},
};

struct str
conf_key_file_of(enum conf_key key, struct str value)
{
	struct str word = STR_NULL;

	for (size_t i = 0; i < countof(places); i++) {
		if (places[i].key != key)
			continue;
		if (places[i].how == WHOLE)
			return value;
		if (places[i].how == FIRST_WORD && str_next_word(&value, &word))
			return word;
		for (int k = 0; k < 3 && places[i].how == THIRD_OF_LIST; k++)
			if (!str_next(&value, ',', &word))
				word = STR_NULL;
		return str_trim(word);
	}
	return STR_NULL;
}

static int
by_path(const void *a, const void *b)
{
	const struct conf_key_file *x = a, *y = b;

	return str_cmp(x->path, y->path);
}

static void
add_value(struct conf_load *l, const struct conf_value *v, size_t *cap)
{
	struct conf *c = l->c;

	for (uint32_t i = 0; i < v->n; i++) {
		struct str path = conf_key_file_of(v->key, v->items[i].text);
		struct conf_at at = v->items[i].at;
		if (path.len == 0)
			continue;
		if (str_find_str(path, STR("{vault}")) != STR_NPOS) {
			conf_error(l, at, "%s: keys in a vault are not supported: name a file",
			    conf_key_name(v->key));
			continue;
		}
		CONF_GROW(c->key_files, c->n_key_files, *cap);
		c->key_files[c->n_key_files++] = (struct conf_key_file){.path = path,
		    .origin = {.file = at.file < c->n_files ? c->files[at.file].path : NULL,
			.line = at.line}};
	}
}

/* Sorted by name, each once: the same list whatever the order in which blocks were read. */
void
conf_key_files_build(struct conf_load *l)
{
	struct conf *c = l->c;
	size_t cap = 0, n = 0;

	for (size_t i = 0; i < c->n_blocks; i++)
		for (size_t k = 0; !c->blocks[i]->is_dead && k < c->blocks[i]->n_values; k++)
			add_value(l, &c->blocks[i]->values[k], &cap);
	if (c->n_key_files == 0)
		return;
	qsort(c->key_files, c->n_key_files, sizeof c->key_files[0], by_path);
	for (size_t i = 1; i < c->n_key_files; i++)
		if (!str_eq(c->key_files[i].path, c->key_files[n].path))
			c->key_files[++n] = c->key_files[i];
	c->n_key_files = n + 1;
}

size_t
conf_n_key_files(const struct conf *c)
{
	return c->n_key_files;
}

const struct conf_key_file *
conf_key_file_at(const struct conf *c, size_t i)
{
	return &c->key_files[i];
}

bool
conf_key_file_find(const struct conf *c, struct str path, uint32_t *index)
{
	const struct conf_key_file key = {.path = path}, *found;

	if (c->n_key_files == 0)
		return false;
	found = bsearch(&key, c->key_files, c->n_key_files, sizeof key, by_path);
	if (found != NULL)
		*index = (uint32_t)(found - c->key_files);
	return found != NULL;
}

uint64_t
conf_key_files_hash(const struct conf *c)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < c->n_key_files; i++)
		for (size_t k = 0; k <= c->key_files[i].path.len; k++) {
			struct str p = c->key_files[i].path;
			h = (h ^ (k < p.len ? (uint8_t)p.p[k] : 0)) * UINT64_C(0x100000001b3);
		}
	return h;
}

/* ---- dkim-key-directory: DIR/DOMAIN/SELECTOR.pem, the newest of each domain ---- */

struct newest {
	char selector[256];
	struct timespec at;
};

static bool
is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static void
see_key(int dir, const char *name, struct newest *n)
{
	struct str stem = str_of(name);
	struct stat st;

	if (!str_has_suffix(stem, STR(".pem")) || name[0] == '.')
		return;
	stem.len -= 4;
	if (stem.len == 0 || stem.len >= sizeof n->selector || !conf_is_all(stem, "-_.") ||
	    fstatat(dir, name, &st, 0) == -1 || !S_ISREG(st.st_mode))
		return;
	if (n->selector[0] != '\0' && is_newer(&n->at, &st.st_mtim))
		return;
	/* of the same time: the last by name */
	if (n->selector[0] != '\0' && !is_newer(&st.st_mtim, &n->at) &&
	    str_cmp(stem, str_of(n->selector)) < 0)
		return;
	(void)str_copy(n->selector, sizeof n->selector, stem);
	n->at = st.st_mtim;
}

/* The newest key of one domain; false: there is none. */
static bool
find_newest(int parent, const char *domain, struct newest *n)
{
	int fd = openat(parent, domain, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;

	n->selector[0] = '\0';
	if (dir == NULL) {
		if (fd != -1)
			close(fd);
		return false;
	}
	while ((e = readdir(dir)) != NULL)
		see_key(fd, e->d_name, n);
	closedir(dir);
	return n->selector[0] != '\0';
}

static void
put_key(struct conf_load *l, const char *dir, const char *domain, const char *selector,
    struct conf_at at)
{
	char *name = xasprintf("%s._domainkey.%s", selector, domain);
	char *file = xasprintf("%s/%s/%s.pem", dir, domain, selector);
	struct conf_blk *b = conf_blk_of(l->c, CONF_BLOCK_KEY, 0, str_of(name), at);

	/* one that is written out holds */
	if (b->n_values == 0) {
		conf_blk_put(l, b, conf_row(CONF_KEY_PRIVATE_KEY), str_of(file), at);
		conf_blk_put(l, b, conf_row(CONF_KEY_DOMAIN), str_of(domain), at);
		conf_blk_put(l, b, conf_row(CONF_KEY_SELECTOR), str_of(selector), at);
	}
	free(name);
	free(file);
}

void
conf_key_directory_expand(struct conf_load *l)
{
	const struct conf_value *v =
	    conf_blk_value(l->c->blocks[0], CONF_GLOBAL_DKIM_KEY_DIRECTORY);
	struct dirent **names = NULL;
	struct newest newest;
	char *path;
	int n, fd;

	if (v == NULL || v->n == 0 || (l->how & (CONF_NO_INCLUDE | CONF_ANY_ADDRESS)) != 0)
		return;
	path = xstrdup_str(v->items[0].text);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = fd == -1 ? -1 : scandir(path, &names, NULL, alphasort);
	if (n == -1 || n > DIRECTORY_MAX)
		conf_error(l, v->at, "dkim-key-directory: %s: %s", path,
		    n == -1 ? strerror(errno) : "too many keys");
	for (int i = 0; i < n; i++) {
		struct str domain = str_of(names[i]->d_name);
		if (n <= DIRECTORY_MAX && domain.p[0] != '.' && conf_is_all(domain, "-_.") &&
		    find_newest(fd, names[i]->d_name, &newest))
			put_key(l, path, names[i]->d_name, newest.selector, v->at);
		free(names[i]);
	}
	free(names);
	if (fd != -1)
		close(fd);
	free(path);
}
