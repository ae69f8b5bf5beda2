/* status.c: one sentence per status, for messages that reach people. */
#include "fastconv.h"

static const char *const messages[] = {
    [FC_OK] = "ok",
    [FC_INVALID] = "invalid sizes, strides or pointers",
    [FC_UNSUPPORTED] = "this combination of types, layout, pass and options is not supported",
    [FC_NO_MEMORY] = "not enough memory for the workspace",
    [FC_OVERFLOW] = "a product of sizes does not fit in 63 bits",
    [FC_WORKSPACE_TOO_SMALL] = "the workspace is smaller than one thread needs",
};

const char *fc_status_message(fc_status status) {
    if ((int)status < 0 || (size_t)status >= sizeof messages / sizeof *messages) return "unknown status";
    return messages[status];
}

const char *fc_version(void) { return "0.1.0"; }
