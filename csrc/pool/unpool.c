/* unpool.c: values put where a max pool found them, and its gradient, which reads them there. */
#include "pool/job.h"

static void planes_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    (void)bench;
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    const int forward = desc->pass == FC_FORWARD;
    const int64_t *plane_stride = forward ? desc->y_stride : desc->dy_stride;
    const int64_t *row_stride = forward ? desc->x_stride : desc->dx_stride;
    const fc_pool_plane shape = fc_pool_plane_of(desc->out, plane_stride + 2, 0);
    for (int64_t item = first; item < last; ++item) {
        const int64_t n = item / desc->c, c = item % desc->c;
        void *plane = fc_pool_at(job, forward ? args->y : args->dy, fc_pool_offset(plane_stride, n, c, 0, 0, 0));
        if (forward) fc_pool_clear(plane, job->element, desc->out, plane_stride + 2);
        for (int64_t row = 0; row < desc->in[0] * desc->in[1]; ++row) {
            const int64_t d = row / desc->in[1], h = row % desc->in[1];
            const int64_t *index = args->indices + fc_pool_offset(desc->index_stride, n, c, d, h, 0);
            void *values = fc_pool_at(job, forward ? args->x : args->dx, fc_pool_offset(row_stride, n, c, d, h, 0));
            const int fine = forward ? job->leaf->scatter_set(&shape, index, desc->index_stride[4], values,
                                                              row_stride[4], desc->in[2], plane)
                                     : job->leaf->gather(&shape, index, desc->index_stride[4], values, row_stride[4],
                                                         desc->in[2], plane);
            if (!fine) atomic_store(&job->bad_index, 1);
        }
    }
}

fc_status fc_pool_unpool(fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const int64_t each = desc->out[0] * desc->out[1] * desc->out[2] + desc->in[0] * desc->in[1] * desc->in[2];
    return fc_pool_run(job, desc->n * desc->c, each, planes_task);
}
