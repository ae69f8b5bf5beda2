/* pool.c: fc_pool_execute: checks the descriptor and hands the job to the first driver that takes it. */
#include <math.h>

#include "pool/job.h"

static fc_status count_overflow(const int64_t *size, int64_t n, int64_t c) {
    int64_t total;
    if (__builtin_mul_overflow(n, c, &total)) return FC_OVERFLOW;
    for (int i = 0; i < FC_SPATIAL; ++i)
        if (__builtin_mul_overflow(total, size[i], &total)) return FC_OVERFLOW;
    return FC_OK;
}

static int arguments_missing(const fc_pool_desc *desc, const fc_pool_args *args) {
    if (desc->kind == FC_POOL_UNPOOL && !args->indices) return 1;
    if (desc->pass == FC_FORWARD) return !args->x || !args->y;
    if (!args->dy || !args->dx) return 1;
    return !args->x && (desc->kind == FC_POOL_LP || (desc->kind == FC_POOL_MAX && !args->indices));
}

static fc_status check(const fc_pool_desc *desc, const fc_pool_args *args) {
    if (!desc || !args || desc->struct_size != sizeof *desc || desc->n < 0 || desc->c < 0) return FC_INVALID;
    if (desc->pass != FC_FORWARD && desc->pass != FC_BACKWARD_DATA) return FC_INVALID;
    if (desc->kind < FC_POOL_MAX || desc->kind > FC_POOL_UNPOOL) return FC_INVALID;
    if (desc->ties < FC_TIES_FIRST || desc->ties > FC_TIES_ALL || desc->divisor < 0) return FC_INVALID;
    if (desc->kind == FC_POOL_LP && !(desc->p > 0)) return FC_INVALID;
    if (args->indices && desc->kind == FC_POOL_MAX && desc->ties != FC_TIES_FIRST) return FC_INVALID;
    for (int i = 0; i < FC_SPATIAL; ++i)
        if (desc->in[i] < 1 || desc->out[i] < 1) return FC_INVALID;
    fc_status status = count_overflow(desc->in, desc->n, desc->c);
    if (status == FC_OK) status = count_overflow(desc->out, desc->n, desc->c);
    return status;
}

/* An unpool has no windows: its axes are those of a pool of size 1. */
static fc_pool_desc without_windows(const fc_pool_desc *desc) {
    fc_pool_desc plain = *desc;
    plain.adaptive = 0;
    for (int i = 0; i < FC_SPATIAL; ++i) {
        plain.out[i] = plain.in[i];
        plain.kernel[i] = plain.stride[i] = plain.dilation[i] = 1;
        plain.pad[i] = plain.pad_end[i] = 0;
    }
    return plain;
}

fc_status fc_pool_execute(const fc_pool_desc *desc, const fc_pool_args *args) {
    fc_status status = check(desc, args);
    if (status != FC_OK || desc->n == 0 || desc->c == 0) return status;
    if (arguments_missing(desc, args)) return FC_INVALID;
    fc_pool_job job;
    if (desc->kind == FC_POOL_UNPOOL) {
        const fc_pool_desc plain = without_windows(desc);
        status = fc_pool_job_init(&job, &plain, args);
        job.desc = desc;
        return status == FC_OK ? fc_pool_unpool(&job) : status;
    }
    status = fc_pool_job_init(&job, desc, args);
    if (status != FC_OK) return status;
    if (fc_pool_strips_take(&job)) return fc_pool_strips_run(&job);
    if (fc_pool_sliding_take(&job)) return fc_pool_sliding_run(&job);
    if (fc_pool_tiles_take(&job)) return fc_pool_tiles_run(&job);
    if (fc_pool_pixels_take(&job)) return fc_pool_pixels_run(&job);
    return desc->pass == FC_FORWARD ? fc_pool_rows_forward(&job) : fc_pool_rows_backward(&job);
}
