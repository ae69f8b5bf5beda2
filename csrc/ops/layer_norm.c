/* layer_norm.c: layer normalisation of contiguous rows. A task is a block of whole rows. */
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum { BLOCK = 1 << 12, SERIAL_BELOW = 1 << 14 }; /* elements of a task; work that is not worth a second thread */

typedef struct job {
    const fc_kernels *kernels;
    int64_t rows, count, rows_per_task;
    double epsilon;
    const void *x, *weight, *bias;
    void *y, *mean, *inverse;
} job;

static void *at(const job *j, void *base, int64_t elements) {
    return base ? fc_at(base, elements, j->kernels->element) : NULL;
}

static void task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t first = index * j->rows_per_task, from = first * j->count;
    j->kernels->norm.lines(fc_min(j->rows - first, j->rows_per_task), j->count, j->epsilon,
                           fc_at(j->x, from, j->kernels->element), j->weight, j->bias, at(j, j->y, from),
                           at(j, j->mean, first), at(j, j->inverse, first));
}

fc_status fc_layer_norm(fc_dtype type, int64_t rows, int64_t count, double epsilon, const void *x, const void *weight,
                        const void *bias, void *y, void *mean, void *inverse, int threads) {
    job j = {fc_kernels_for(fc_isa(), type), rows, count, 1, epsilon, x, weight, bias, y, mean, inverse};
    if (!j.kernels) return FC_UNSUPPORTED;
    if (rows < 0 || count < 0) return FC_INVALID;
    if (rows == 0) return FC_OK;
    if (!x || !y) return FC_INVALID;
    j.rows_per_task = fc_max(1, BLOCK / fc_max(1, count));
    const int serial = (double)rows * (double)count < SERIAL_BELOW;
    fc_parallel_for(fc_ceil_div(rows, j.rows_per_task), serial ? 1 : threads, task, &j);
    return FC_OK;
}
