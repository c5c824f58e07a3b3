#include "lib/auth/access_file.h"

#include <jansson.h>
#include <sodium.h>

#include "lib/base/xalloc.h"

static const char *const roles[] = {"none", "monitor", "operator", "admin"};

void
access_file_clear(struct access_file *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->users[i].name);
		free(f->users[i].hash);
	}
	free(f->users);
	*f = (struct access_file){0};
}

static uint32_t
role_of(const char *name)
{
	for (uint32_t i = 1; i < countof(roles); i++)
		if (strcmp(roles[i], name) == 0)
			return i;
	return 0;
}

static bool
is_new_name(const struct access_file *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->users[i].name, name) == 0)
			return false;
	return true;
}

static bool
is_hash(const char *text)
{
	return strncmp(text, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) == 0 &&
	       strlen(text) < crypto_pwhash_STRBYTES &&
	       crypto_pwhash_str_needs_rehash(text, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		   crypto_pwhash_MEMLIMIT_INTERACTIVE) != -1;
}

static int
add_user(struct access_file *f, json_t *row, struct why *why)
{
	const char *name, *password, *role;
	json_error_t e;
	uint32_t r;

	if (json_unpack_ex(row, &e, JSON_STRICT, "{s:s, s:s, s:s}", "name", &name, "password",
		&password, "role", &role) != 0)
		return why_set(
		    why, "user %zu: not \"name\", \"password\" and \"role\": %s", f->n + 1, e.text);
	r = role_of(role);
	if (name[0] == '\0' || strlen(name) > ACCESS_FILE_MAX_NAME || !is_new_name(f, name))
		return why_set(why,
		    "user %zu: the name is empty, too long or not the first of its "
		    "kind",
		    f->n + 1);
	if (r == 0)
		return why_set(why, "user %s: the role is monitor, operator or admin", name);
	if (!is_hash(password))
		return why_set(why,
		    "user %s: the password is not a hash as made by pmtactl "
		    "hash-password",
		    name);
	f->users[f->n++] =
	    (struct access_user){.name = xstrdup(name), .hash = xstrdup(password), .role = r};
	return 0;
}

static int
add_users(struct access_file *f, json_t *root, struct why *why)
{
	json_t *list, *row;
	json_error_t e;
	size_t i;

	if (json_unpack_ex(root, &e, JSON_STRICT, "{s:o}", "users", &list) != 0 ||
	    !json_is_array(list))
		return why_set(why, "it is {\"users\": [...]}");
	if (json_array_size(list) > ACCESS_FILE_MAX_USERS)
		return why_set(why, "more than %d users", ACCESS_FILE_MAX_USERS);
	f->users = xcalloc(json_array_size(list) + 1, sizeof *f->users);
	json_array_foreach(list, i, row) if (add_user(f, row, why) == -1) return -1;
	return 0;
}

int
access_file_parse(struct str text, struct access_file *f, struct why *why)
{
	json_error_t e;
	json_t *root;
	int r;

	*f = (struct access_file){0};
	root = json_loadb(text.p == NULL ? "" : text.p, text.len, JSON_REJECT_DUPLICATES, &e);
	if (root == NULL)
		return why_set(why, "line %d, column %d: %s", e.line, e.column, e.text);
	r = add_users(f, root, why);
	json_decref(root);
	if (r == -1)
		access_file_clear(f);
	return r;
}
