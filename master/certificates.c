/* When certificates run out: told on the statistics page, for alerts and metrics. */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/stats/stats.h"
#include "master/master.h"

static int64_t
end_of(const X509 *cert)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return INT64_MAX;
	return (int64_t)timegm(&tm);
}

/* of a PEM file's certificates the first to run out; INT64_MAX: it has none */
static int64_t
first_end(const char *text, size_t len)
{
	BIO *in = BIO_new_mem_buf(text, (int)PH_MIN(len, (size_t)INT32_MAX));
	int64_t first = INT64_MAX;
	X509 *cert;

	while (in != NULL && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		first = PH_MIN(first, end_of(cert));
		X509_free(cert);
	}
	BIO_free(in);
	return first;
}

static int64_t
end_of_file(const struct tls_file *f)
{
	struct stat st;
	int64_t first;
	char *text;

	if (fstat(f->fd, &st) == -1 || st.st_size <= 0)
		return INT64_MAX;
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f->fd, 0);
	if (text == MAP_FAILED)
		return INT64_MAX;
	first = first_end(text, (size_t)st.st_size);
	munmap(text, (size_t)st.st_size);
	return first;
}

/* names of files end in what tells them apart */
static struct str
tail_of(struct str path)
{
	size_t room = sizeof((struct stats_label *)NULL)->text - 1;

	return path.len > room ? str_skip(path, path.len - room) : path;
}

void
certificates_tell(const struct tls_files *files)
{
	struct stats_label rows[STATS_LABELS];
	size_t n = 0;

	for (size_t i = 0; i < files->n && n < countof(rows); i++) {
		int64_t end = end_of_file(&files->list[i]);
		if (end == INT64_MAX || end < 0)
			continue;
		rows[n].value = (uint64_t)end;
		str_copy(rows[n].text, sizeof rows[n].text, tail_of(str_of(files->list[i].path)));
		n++;
	}
	stat_labels_set(FAMILY_CERTIFICATES, rows, n);
}
