/* softmax.c: softmax over contiguous rows, its logarithm and its gradient, and its fusion with the cross-entropy of
 * integer labels. A task is a block of whole rows. */
#include "core/memory.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum { BLOCK = 1 << 12, SERIAL_BELOW = 1 << 14 }; /* elements of a task; work that is not worth a second thread */

typedef enum operation { FORWARD, LOGARITHM, BACKWARD, CROSS_ENTROPY } operation;

typedef struct job {
    const fc_kernels *kernels;
    operation operation;
    int64_t rows, classes, rows_per_task;
    const char *x, *dy; /* backward: x is the forward's output */
    char *out;          /* y, dx, or NULL when only the losses are wanted */
    char *scratch;      /* out of one task per worker, when out is NULL */
    const int64_t *labels;
    double scale;
    char *losses;
} job;

static void run(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t element = (int64_t)j->kernels->element;
    const int64_t first = index * j->rows_per_task;
    const int64_t rows = j->rows - first < j->rows_per_task ? j->rows - first : j->rows_per_task;
    const int64_t byte = first * j->classes * element;
    char *out = j->out ? j->out + byte : j->scratch + worker * j->rows_per_task * j->classes * element;
    switch (j->operation) {
    case FORWARD:
        j->kernels->softmax(rows, j->classes, j->x + byte, out);
        break;
    case LOGARITHM:
        j->kernels->log_softmax(rows, j->classes, j->x + byte, out);
        break;
    case BACKWARD:
        j->kernels->softmax_backward(rows, j->classes, j->x + byte, j->dy + byte, out);
        break;
    case CROSS_ENTROPY:
        j->kernels->cross_entropy(rows, j->classes, j->x + byte, j->labels + first, j->scale,
                                  j->losses + first * element, out);
        break;
    }
}

static fc_status start(fc_dtype type, job *j, int threads) {
    j->kernels = fc_kernels_for(fc_isa(), type);
    if (!j->kernels) return FC_UNSUPPORTED;
    if (j->rows < 0 || j->classes < 1) return FC_INVALID;
    if (j->rows == 0) return FC_OK;
    j->rows_per_task = j->classes < BLOCK ? BLOCK / j->classes : 1;
    if (j->rows_per_task > j->rows) j->rows_per_task = j->rows;
    const int64_t tasks = (j->rows - 1) / j->rows_per_task + 1;
    threads = fc_workers(tasks, j->rows * j->classes < SERIAL_BELOW ? 1 : threads);
    if (!j->out) {
        const size_t bytes = (size_t)(j->rows_per_task * j->classes) * j->kernels->element;
        j->scratch = fc_scratch_acquire(bytes * (size_t)threads);
        if (!j->scratch) return FC_NO_MEMORY;
    }
    fc_parallel_for(tasks, threads, run, j);
    if (!j->out) fc_scratch_release(j->scratch);
    return FC_OK;
}

fc_status fc_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads) {
    job j = {.operation = FORWARD, .rows = rows, .classes = classes, .x = x, .out = y};
    if (!y) return FC_INVALID;
    return start(type, &j, threads);
}

fc_status fc_log_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads) {
    job j = {.operation = LOGARITHM, .rows = rows, .classes = classes, .x = x, .out = y};
    if (!y) return FC_INVALID;
    return start(type, &j, threads);
}

fc_status fc_softmax_backward(fc_dtype type, int64_t rows, int64_t classes, const void *y, const void *dy, void *dx,
                              int threads) {
    job j = {.operation = BACKWARD, .rows = rows, .classes = classes, .x = y, .dy = dy, .out = dx};
    if (!dx) return FC_INVALID;
    return start(type, &j, threads);
}

fc_status fc_softmax_cross_entropy(fc_dtype type, int64_t rows, int64_t classes, const void *x, const int64_t *labels,
                                   double scale, void *losses, void *dx, int threads) {
    job j = {.operation = CROSS_ENTROPY, .rows = rows, .classes = classes, .x = x, .out = dx};
    j.labels = labels;
    j.scale = scale;
    j.losses = losses;
    for (int64_t r = 0; r < rows; ++r)
        if (labels[r] < 0 || labels[r] >= classes) return FC_INVALID;
    return start(type, &j, threads);
}
