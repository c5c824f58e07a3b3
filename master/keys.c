/*
 * The private keys for signing: read from the files that the configuration names, checked, and kept in one sealed
 * memfd, which signd alone is given. What a started signd holds is what the configuration in force was loaded with,
 * whatever has become of the files since.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/xalloc.h"
#include "lib/dkim/keyfile.h"
#include "master/master.h"

#define SHORT_RSA_BITS 2048 /* below, receivers begin to complain (RFC 8301 3.2) */

static uid_t
signd_uid(void)
{
	/* cppcheck-suppress getpwnamCalled */
	const struct passwd *pw = getpwnam("pmta-sign");

	return pw == NULL ? geteuid() : pw->pw_uid;
}

/* the complaint with its place, said at once */
static int
complain(const struct conf_key_file *f, bool is_error, const char *what, struct why *why)
{
	struct why text;

	why_set(&text, "%s:%u: key %.*s: %s", f->origin.file == NULL ? "?" : f->origin.file,
	    f->origin.line, STR_ARG(f->path), what);
	config_say(is_error, text.text);
	if (is_error)
		*why = text;
	return -1;
}

static bool
look_closer(struct str text, enum dkim_algorithm *algorithm, int *bits, struct why *why)
{
	struct dkim_key *k = dkim_key_parse(text, why);

	if (k == NULL)
		return false;
	*algorithm = dkim_key_algorithm(k);
	*bits = dkim_key_bits(k);
	dkim_key_free(&k);
	return true;
}

static enum dkim_algorithm
check_text(const struct conf_key_file *f, struct str text, struct why *why)
{
	enum dkim_algorithm a;
	struct why bad;
	char note[128];
	int bits;

	if (!dkim_key_look(text, &a, &bits) && !look_closer(text, &a, &bits, &bad)) {
		complain(f, true, bad.text, why);
		return DKIM_NO_ALGORITHM;
	}
	if (a == DKIM_RSA_SHA256 && bits < SHORT_RSA_BITS) {
		snprintf(note, sizeof note, "an RSA key of %d bits is short: use at least %d", bits,
		    SHORT_RSA_BITS);
		complain(f, false, note, NULL);
	}
	return a;
}

static int
add_key(int fd, const struct conf_key_file *f, uid_t uid, struct why *why)
{
	char text[DKIM_MAX_KEY_TEXT], *path = xstrdup_str(f->path);
	struct why bad;
	size_t len = dkim_key_read(path, uid, text, &bad);
	uint32_t head[2] = {(uint32_t)len, DKIM_NO_ALGORITHM};
	int r = 0;

	free(path);
	if (len == 0)
		return complain(f, true, bad.text, why);
	head[1] = (uint32_t)check_text(f, str_from(text, len), why);
	if (head[1] == DKIM_NO_ALGORITHM)
		r = -1;
	else if (write_all(fd, head, sizeof head) == -1 || write_all(fd, text, len) == -1)
		r = why_errno(why, "the keys cannot be kept");
	explicit_bzero(text, sizeof text);
	return r;
}

int
keys_load(const struct conf *c, struct why *why)
{
	int fd = memfd_create("posthaste-keys", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uid_t uid = signd_uid();
	size_t bad = 0;

	if (fd == -1)
		return why_errno(why, "the keys cannot be kept");
	for (size_t i = 0; i < conf_n_key_files(c); i++)
		bad += add_key(fd, conf_key_file_at(c, i), uid, why) == -1;
	if (bad == 0 && fcntl(fd, F_ADD_SEALS,
			    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == -1) {
		why_errno(why, "the keys cannot be sealed");
		bad++;
	}
	if (bad == 0)
		return fd;
	close(fd);
	return -1;
}
