/* activation.c: elementwise activations over contiguous arrays, forward and backward. */
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum { CHUNK = 1 << 15, SERIAL_BELOW = 1 << 17 }; /* elements of a task; work that is not worth a second thread */

typedef struct job {
    const fc_kernels *kernels;
    fc_activation kind;
    double parameter;
    int64_t count;
    const char *in, *dy; /* dy: backward, where in is the forward's output */
    char *out;
} job;

static void run(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t from = index * CHUNK;
    const int64_t count = j->count - from < CHUNK ? j->count - from : CHUNK;
    const int64_t byte = from * (int64_t)j->kernels->element;
    if (j->dy) {
        j->kernels->activate_backward(j->kind, j->parameter, count, j->in + byte, j->dy + byte, j->out + byte);
    } else {
        j->kernels->activate(j->kind, j->parameter, count, j->in + byte, j->out + byte);
    }
}

static fc_status start(fc_dtype type, job *j, int threads) {
    j->kernels = fc_kernels_for(fc_isa(), type);
    if (!j->kernels) return FC_UNSUPPORTED;
    if (j->count < 0 || j->kind < FC_IDENTITY || j->kind > FC_LEAKY_RELU) return FC_INVALID;
    if (j->count == 0) return FC_OK;
    fc_parallel_for((j->count - 1) / CHUNK + 1, j->count < SERIAL_BELOW ? 1 : threads, run, j);
    return FC_OK;
}

fc_status fc_activation_forward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *x,
                                void *y, int threads) {
    job j = {.kind = kind, .parameter = parameter, .count = count, .in = x, .out = y};
    return start(type, &j, threads);
}

fc_status fc_activation_backward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *y,
                                 const void *dy, void *dx, int threads) {
    job j = {.kind = kind, .parameter = parameter, .count = count, .in = y, .dy = dy, .out = dx};
    if (!dy) return FC_INVALID;
    return start(type, &j, threads);
}
