/* sliding.c: forward max pools of 2x2, 3x3 and 5x5 with stride 1 along unit-step rows, any border: those of inception
 * modules and spatial pyramids. Tasks are runs of output rows, gone through in blocks as strips.c does, and for its reasons:
 * while one runs the next is asked for, and results that do not fit the last cache are staged and written past it. Small
 * planes share a call, since starting a strip costs as much as several rows; beyond a quarter of L1 that gains nothing. */
#include "core/cpu.h"
#include "pool/job.h"

static int slides(const fc_pool_axis *axis) {
    return !axis->adaptive && (axis->kernel == 2 || axis->kernel == 3 || axis->kernel == FC_POOL_SLIDING_MOST) &&
           axis->stride == 1 && axis->dilation == 1;
}

int fc_pool_sliding_take(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_axis *height = &job->axis[1], *width = &job->axis[2];
    if (desc->kind != FC_POOL_MAX || desc->pass != FC_FORWARD || job->args->indices) return 0;
    if (!fc_pool_axis_untouched(&job->axis[0]) || !slides(height) || !slides(width)) return 0;
    return height->kernel == width->kernel && desc->x_stride[4] == 1 && desc->y_stride[4] == 1;
}

/* Planes that one call of the kernel goes through lie along the depth, if there is one, else along the channels. */
static int plane_axis(const fc_pool_job *job) { return job->axis[0].out > 1 ? 2 : 1; }

static fc_pool_sliding sliding_of(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_axis *height = &job->axis[1], *width = &job->axis[2];
    const int axis = plane_axis(job);
    fc_pool_sliding at = {
        .in = {height->in, width->in},
        .out = {height->out, width->out},
        .pad = {height->pad, width->pad},
        .taps = width->kernel,
        .x_row = desc->x_stride[3],
        .y_row = desc->y_stride[3],
        .x_plane = desc->x_stride[axis],
        .y_plane = desc->y_stride[axis],
    };
    at.x_ahead = job->block_rows < height->out ? job->block_rows * at.x_row : job->block_planes * at.x_plane;
    return at;
}

static void slide(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_sliding *at, const void *x,
                  int64_t planes, int64_t from, int64_t to, void *y) {
    if (!job->stream) {
        job->leaf->sliding(at, x, planes, from, to, y);
        return;
    }
    job->leaf->sliding(at, x, planes, from, to, bench->staging);
    job->leaf->stream(y, bench->staging, planes * (to - from) * at->out[1] * job->element);
}

static void sliding_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_sliding at = sliding_of(job);
    const int64_t height = at.out[0], depth = job->axis[0].out;
    for (int64_t row = first; row < last;) {
        const int64_t h = row % height, d = row / height % depth, c = row / height / depth % desc->c;
        const int64_t n = row / height / depth / desc->c;
        const int64_t rows = fc_min(height - h, fc_min(job->block_rows, last - row));
        const int64_t follow = depth > 1 ? depth - d : desc->c - c;
        const int64_t planes = rows == height ? fc_min(follow, fc_min(job->block_planes, (last - row) / height)) : 1;
        slide(job, bench, &at, fc_pool_at(job, job->args->x, fc_pool_offset(desc->x_stride, n, c, d, 0, 0)), planes, h,
              h + rows, fc_pool_at(job, job->args->y, fc_pool_offset(desc->y_stride, n, c, d, h, 0)));
        row += planes * rows;
    }
    if (job->stream) job->leaf->stream_end();
}

fc_status fc_pool_sliding_run(fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const int64_t width = job->axis[2].out, height = job->axis[1].out, planes = desc->n * desc->c * job->axis[0].out;
    const int64_t row = (job->axis[2].in + width) * job->element;
    job->block_rows = fc_min(fc_max(2 * fc_l1_bytes() / row, 1), height);
    job->block_planes = fc_max(fc_l1_bytes() / 4 / row / height, 1);
    const int dense = desc->y_stride[3] == width && desc->y_stride[plane_axis(job)] == height * width;
    job->stream = dense && planes > fc_l3_bytes() / row / height;
    if (job->stream) job->staging_bytes = job->block_planes * job->block_rows * width * job->element;
    return fc_pool_run(job, planes * height, width * 4, sliding_task);
}
