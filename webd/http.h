/*
 * What libmicrohttpd calls: the seam between server.c, which owns it, and request.c, which answers.
 */
#ifndef PH_WEBD_HTTP_H
#define PH_WEBD_HTTP_H

#include <microhttpd.h>

/* The request's line came: its raw target. Returns the request. */
void *http_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *data_len, void **ctx);
void http_on_completed(
    void *cls, struct MHD_Connection *mhd, void **ctx, enum MHD_RequestTerminationCode how);

#endif
