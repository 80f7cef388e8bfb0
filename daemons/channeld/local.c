/* What a step takes from this machine: files that the options name, and attachments that are sent
 * in a form. */
#include "daemons/channeld/channeld.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/attachments.h"
#include "core/crash.h"
#include "core/files.h"
#include "core/memory.h"

enum { FILE_MOST = 16 << 20, UPLOAD_MOST = 20 << 20 };

void local_file(const struct channeld *daemon, const char *path, struct file_reply *ret) {
        char *whole freed_by(freep) = NULL;
        char *bytes = NULL;
        int r;

        *ret = (struct file_reply) { 0 };
        if (*path != '/' &&
            asprintf(&whole, "%s/%s", daemon->configuration->main.folder, path) < 0) {
                whole = NULL;
                ret->error = ENOMEM;
                return;
        }
        r = file_read(whole ? whole : path, FILE_MOST, &bytes, &ret->n_bytes);
        ret->bytes = r < 0 ? NULL : bytes;
        ret->error = r < 0 ? -r : 0;
}

void local_file_done(struct file_reply *reply) {
        free((char *) reply->bytes);
        *reply = (struct file_reply) { 0 };
}

int local_upload(const struct channeld *daemon, struct http_request *request) {
        char *path freed_by(freep) = NULL;
        char *bytes freed_by(freep) = NULL;
        size_t n;
        int r;

        if (!request->upload)
                return 0;
        path = attachment_path(daemon->attachments_dir, request->upload);
        if (!path)
                return -ENOMEM;
        r = file_read(path, UPLOAD_MOST, &bytes, &n);
        if (r < 0)
                return r;
        buf_add(&request->body, bytes, n);
        buf_add(&request->body, buf_text(&request->tail), request->tail.len);
        free(give_away(request->upload)); /* once: an attempt that waits comes here again */
        crash_point("channeld/upload-read");
        return request->body.error;
}
