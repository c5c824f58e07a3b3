/*
 * The bare signing operation: OpenSSL's RSA signature of a SHA-256 digest, one key, one context, N times in one
 * thread. Prints the CPU time of one in microseconds. What a signed message may cost is held against this.
 *
 *	sign KEY.pem N
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == -1)
		exit(1);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static EVP_PKEY_CTX *
prepare(const char *path)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *key = f == NULL ? NULL : PEM_read_PrivateKey(f, NULL, NULL, NULL);
	EVP_PKEY_CTX *ctx = key == NULL ? NULL : EVP_PKEY_CTX_new(key, NULL);

	if (f != NULL)
		fclose(f);
	if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1)
		return NULL;
	return ctx;
}

int
main(int argc, char **argv)
{
	EVP_PKEY_CTX *ctx = argc == 3 ? prepare(argv[1]) : NULL;
	unsigned char digest[32] = {0}, out[512];
	long n = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
	double start;
	size_t len;

	if (ctx == NULL || n <= 0) {
		fprintf(stderr, "usage: sign KEY.pem N\n");
		return 2;
	}
	start = cpu_us();
	for (long i = 0; i < n; i++) {
		digest[i % 32]++;
		len = sizeof out;
		if (EVP_PKEY_sign(ctx, out, &len, digest, sizeof digest) != 1)
			return 1;
	}
	printf("%.1f\n", (cpu_us() - start) / (double)n);
	return 0;
}
