/* activation.c: elementwise activations over contiguous arrays, forward and backward. */
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

/* Elements of a task, and work that is not worth a second thread; a smooth function costs some eight times a rectifier. */
enum { CHUNK = 1 << 15, SERIAL_BELOW = 1 << 17, SMOOTH_CHUNK = 1 << 12, SMOOTH_SERIAL_BELOW = 1 << 14 };

typedef struct job {
    const fc_kernels *kernels;
    fc_activation kind;
    double parameter;
    int64_t count, chunk;
    const char *in, *dy; /* dy: backward, where in is the forward's output */
    char *out;
} job;

static void run(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const int64_t from = index * j->chunk, count = fc_min(j->count - from, j->chunk);
    const int64_t byte = from * (int64_t)j->kernels->element;
    if (j->dy) {
        j->kernels->activate_backward(j->kind, j->parameter, count, j->in + byte, j->dy + byte, j->out + byte);
    } else if (j->kind > FC_LEAKY_RELU) {
        j->kernels->smooth(j->kind, count, j->in + byte, j->out + byte);
    } else {
        j->kernels->activate(j->kind, j->parameter, count, j->in + byte, j->out + byte);
    }
}

static fc_status start(fc_dtype type, job *j, int threads) {
    j->kernels = fc_kernels_for(fc_isa(), type);
    if (!j->kernels) return FC_UNSUPPORTED;
    if (j->count < 0 || j->kind < FC_IDENTITY || j->kind > (j->dy ? FC_LEAKY_RELU : FC_HARDSWISH)) return FC_INVALID;
    if (j->count == 0) return FC_OK;
    const int smooth = j->kind > FC_LEAKY_RELU;
    j->chunk = smooth ? SMOOTH_CHUNK : CHUNK;
    const int serial = j->count < (smooth ? SMOOTH_SERIAL_BELOW : SERIAL_BELOW);
    fc_parallel_for(fc_ceil_div(j->count, j->chunk), serial ? 1 : threads, run, j);
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
