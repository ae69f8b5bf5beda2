/* tiles.c: 2x2 windows with stride 2 and no border along unit-step rows: the pool of most networks. Gradients that do not fit
 * the last cache are staged in blocks of rows that stay in L1 and written past it. */
#include "core/cpu.h"
#include "pool/job.h"

static int halves(const fc_pool_axis *axis) {
    return !axis->adaptive && axis->kernel == 2 && axis->stride == 2 && axis->dilation == 1 && axis->pad == 0 &&
           axis->out <= axis->in / 2;
}

int fc_pool_tiles_take(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    if (job->args->indices || !fc_pool_axis_untouched(&job->axis[0]) || !halves(&job->axis[1]) ||
        !halves(&job->axis[2]))
        return 0;
    if (desc->pass == FC_FORWARD) return desc->x_stride[4] == 1 && desc->y_stride[4] == 1;
    if (desc->kind == FC_POOL_LP) return 0;
    if (desc->kind == FC_POOL_MAX && (desc->ties != FC_TIES_FIRST || desc->x_stride[4] != 1)) return 0;
    return desc->dx_stride[4] == 1 && desc->dy_stride[4] == 1;
}

static double divisor_of(const fc_pool_job *job) {
    return job->desc->kind != FC_POOL_AVG ? 1 : job->desc->divisor ? (double)job->desc->divisor : 4;
}

/* Rows [h, h + rows) of the output, for which dx points at the first input row. */
static void backward_rows(const fc_pool_job *job, fc_pool_bench *bench, const void *x, const void *dy, int64_t rows,
                          char *dx) {
    const fc_pool_desc *desc = job->desc;
    const int64_t width = desc->in[2], count = job->axis[2].out;
    const double divisor = divisor_of(job);
    if (!job->stream) {
        job->leaf->tiles_backward(&job->rule, x, desc->x_stride[3], dy, desc->dy_stride[3], divisor, dx,
                                  desc->dx_stride[3], rows, count, width);
        return;
    }
    for (int64_t done = 0; done < rows; done += job->block_rows) {
        const int64_t some = fc_min(job->block_rows, rows - done);
        job->leaf->tiles_backward(&job->rule, x ? fc_pool_at(job, x, 2 * done * desc->x_stride[3]) : NULL,
                                  desc->x_stride[3], fc_pool_at(job, dy, done * desc->dy_stride[3]), desc->dy_stride[3],
                                  divisor, bench->staging, width, some, count, width);
        job->leaf->stream(fc_pool_at(job, dx, 2 * done * width), bench->staging, 2 * some * width * job->element);
    }
}

/* Items are rows of the output; a run of rows of one plane is one call of the leaf. */
static void tiles_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    const int64_t depth = job->axis[0].out, height = job->axis[1].out, count = job->axis[2].out;
    for (int64_t row = first; row < last;) {
        const int64_t h = row % height, d = row / height % depth, plane = row / height / depth;
        const int64_t n = plane / desc->c, c = plane % desc->c;
        const int64_t rows = height - h < last - row ? height - h : last - row;
        const void *x = args->x ? fc_pool_at(job, args->x, fc_pool_offset(desc->x_stride, n, c, d, 2 * h, 0)) : NULL;
        if (desc->pass == FC_FORWARD) {
            job->leaf->tiles(&job->rule, x, desc->x_stride[3], divisor_of(job),
                             fc_pool_at(job, args->y, fc_pool_offset(desc->y_stride, n, c, d, h, 0)), desc->y_stride[3],
                             rows, count);
        } else {
            char *dx = fc_pool_at(job, args->dx, fc_pool_offset(desc->dx_stride, n, c, d, 2 * h, 0));
            backward_rows(job, bench, x, fc_pool_at(job, args->dy, fc_pool_offset(desc->dy_stride, n, c, d, h, 0)),
                          rows, dx);
            if (h + rows == height) {
                const int64_t rest[] = {1, desc->in[1] - 2 * height, desc->in[2]};
                fc_pool_clear(fc_pool_at(job, dx, 2 * rows * desc->dx_stride[3]), job->element, rest,
                              desc->dx_stride + 2);
            }
        }
        row += rows;
    }
    if (job->stream) job->leaf->stream_end();
}

static void lay_out(fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const int64_t width = desc->in[2] * job->element,
                  row = (job->args->x ? 4 : 2) * width + job->axis[2].out * job->element;
    job->block_rows = fc_min(fc_max(fc_l1_bytes() / 2 / row, 1), job->axis[1].out);
    job->stream = desc->pass != FC_FORWARD && desc->dx_stride[3] == desc->in[2] &&
                  desc->n * desc->c * desc->in[0] > fc_l3_bytes() / row / job->axis[1].out;
    if (job->stream) job->staging_bytes = 2 * job->block_rows * width;
}

fc_status fc_pool_tiles_run(fc_pool_job *job) {
    const int64_t rows = job->desc->n * job->desc->c * job->axis[0].out * job->axis[1].out;
    lay_out(job);
    return fc_pool_run(job, rows, job->axis[2].out * 4, tiles_task);
}
