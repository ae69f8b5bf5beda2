/* strips.c: max pools of 2 or 3 rows and columns with stride 2 along unit-step rows, any border: those of most networks.
 * Forward, tasks are runs of output rows; backward, whole planes, since their rows overlap. Both go through a plane in
 * blocks of rows of twice L1: shorter ones start strips too often, and while one runs the next is asked for, so it should
 * not be far. Tensors that do not fit the last cache are staged block by block and written past it: a plain store would
 * read each line first. What the kernels refuse goes the general way. */
#include "core/cpu.h"
#include "pool/job.h"

static int strided_by_two(const fc_pool_axis *axis) {
    return !axis->adaptive && (axis->kernel == 2 || axis->kernel == 3) && axis->stride == 2 && axis->dilation == 1;
}

static int plain_tiles(const fc_pool_job *job) {
    const fc_pool_axis *height = &job->axis[1], *width = &job->axis[2];
    return height->kernel == 2 && width->kernel == 2 && height->pad == 0 && width->pad == 0 && !job->args->indices &&
           height->out <= height->in / 2 && width->out <= width->in / 2;
}

int fc_pool_strips_take(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    if (desc->kind != FC_POOL_MAX || desc->ties != FC_TIES_FIRST || !fc_pool_axis_untouched(&job->axis[0])) return 0;
    if (!strided_by_two(&job->axis[1]) || !strided_by_two(&job->axis[2])) return 0;
    if (args->x && desc->x_stride[4] != 1) return 0;
    if (args->indices && (desc->index_stride[4] != 1 || desc->in[2] > FC_POOL_EXACT_PLACES / 4)) return 0;
    if (plain_tiles(job)) return 0;
    if (desc->pass == FC_FORWARD) return desc->y_stride[4] == 1;
    if (job->axis[1].in + job->axis[1].pad > 2 * job->axis[1].out + 2 || (args->indices && desc->in[2] < 3)) return 0;
    return job->kernels->lanes > 1 && desc->dx_stride[4] == 1 && desc->dy_stride[4] == 1;
}

static fc_pool_strips strips_of(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_axis *height = &job->axis[1], *width = &job->axis[2];
    return (fc_pool_strips){
        .in = {height->in, width->in},
        .out = {height->out, width->out},
        .pad = {height->pad, width->pad},
        .kernel = {height->kernel, width->kernel},
        .x_row = desc->x_stride[3],
        .y_row = desc->y_stride[3],
        .dx_row = desc->dx_stride[3],
        .dy_row = desc->dy_stride[3],
        .index_row = desc->index_stride[3],
        .x_ahead = 2 * job->block_rows * desc->x_stride[3],
        .dy_ahead = job->block_rows * desc->dy_stride[3],
        .index_ahead = job->block_rows * desc->index_stride[3],
    };
}

static int64_t *index_at(const fc_pool_job *job, int64_t n, int64_t c, int64_t d) {
    return job->args->indices ? job->args->indices + fc_pool_offset(job->desc->index_stride, n, c, d, 0, 0) : NULL;
}

/* Says whether the block went through the kernel; it is copied out if it was staged. */
static int forward_block(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_strips *at, const void *x,
                         int64_t from, int64_t to, void *y, int64_t *index) {
    void *y_to = fc_pool_at(job, y, from * at->y_row);
    int64_t *index_to = index ? index + from * at->index_row : NULL;
    if (!job->stream) return job->leaf->strips(at, x, from, to, y_to, index_to);
    if (!job->leaf->strips(at, x, from, to, bench->staging, index ? bench->staged_index : NULL)) return 0;
    const int64_t count = (to - from) * at->out[1];
    job->leaf->stream(y_to, bench->staging, count * job->element);
    if (index) job->leaf->stream(index_to, bench->staged_index, count * (int64_t)sizeof *index);
    return 1;
}

static void forward_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    fc_pool_strips at = strips_of(job);
    const int64_t depth = job->axis[0].out, height = job->axis[1].out;
    for (int64_t row = first; row < last;) {
        const int64_t h = row % height, d = row / height % depth, plane = row / height / depth;
        const int64_t n = plane / desc->c, c = plane % desc->c;
        const int64_t end = fc_min(fc_min(height, h + job->block_rows), h + last - row);
        const void *x = fc_pool_at(job, job->args->x, fc_pool_offset(desc->x_stride, n, c, d, 0, 0));
        void *y = fc_pool_at(job, job->args->y, fc_pool_offset(desc->y_stride, n, c, d, 0, 0));
        at.place = d * at.in[0] * at.in[1];
        if (!forward_block(job, bench, &at, x, h, end, y, index_at(job, n, c, d)))
            for (int64_t i = h; i < end; ++i) fc_pool_rows_output(job, bench, n, c, d, i);
        row += end - h;
    }
    if (job->stream) job->leaf->stream_end();
}

static int backward_plane(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_strips *at, const void *x,
                          const int64_t *index, const void *dy, void *dx) {
    const int64_t height = at->out[0];
    for (int64_t from = 0; from < height; from += job->block_rows) {
        const int64_t to = fc_min(from + job->block_rows, height), row = fc_max(2 * from - at->pad[0], 0);
        void *dx_to = fc_pool_at(job, dx, row * at->dx_row);
        const int fine = index
                             ? job->leaf->strips_scatter(at, index, dy, from, to, bench->states, bench->staging, dx_to)
                             : job->leaf->strips_backward(at, x, dy, from, to, bench->states, bench->staging, dx_to);
        if (!fine) return 0;
    }
    return 1;
}

static void backward_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    fc_pool_strips at = strips_of(job);
    at.stream = job->stream;
    for (int64_t plane = first; plane < last; ++plane) {
        const int64_t n = plane / desc->c, c = plane % desc->c;
        int fine = 1;
        for (int64_t d = 0; fine && d < job->axis[0].out; ++d) {
            const void *x =
                args->indices ? NULL : fc_pool_at(job, args->x, fc_pool_offset(desc->x_stride, n, c, d, 0, 0));
            at.place = d * at.in[0] * at.in[1];
            fine = backward_plane(job, bench, &at, x, index_at(job, n, c, d),
                                  fc_pool_at(job, args->dy, fc_pool_offset(desc->dy_stride, n, c, d, 0, 0)),
                                  fc_pool_at(job, args->dx, fc_pool_offset(desc->dx_stride, n, c, d, 0, 0)));
        }
        if (!fine) fc_pool_rows_planes(job, bench, plane, plane + 1);
    }
    if (job->stream) job->leaf->stream_end();
}

/* Blocks of rows, and whether their results are worth a way past the caches. */
static void lay_out(fc_pool_job *job, const fc_pool_strips *at) {
    const fc_pool_desc *desc = job->desc;
    const int forward = desc->pass == FC_FORWARD, indexed = job->args->indices != NULL;
    const int64_t element = job->element, planes = desc->n * desc->c * desc->in[0];
    const int64_t index_row = indexed ? at->out[1] * (int64_t)sizeof(int64_t) : 0;
    const int64_t x_row = !forward && indexed ? 0 : 2 * at->in[1] * element, y_row = at->out[1] * element;
    const int64_t row = x_row + y_row + index_row + (forward ? 0 : 2 * at->in[1] * element);
    job->block_rows = fc_min(fc_max(2 * fc_l1_bytes() / row, 1), at->out[0]);
    const int dense =
        forward ? at->y_row == at->out[1] && (!indexed || at->index_row == at->out[1]) : at->dx_row == at->in[1];
    job->stream = dense && planes > fc_l3_bytes() / row / at->out[0];
    if (!forward) {
        const int64_t lanes = job->kernels->lanes;
        job->state_bytes = ((at->in[1] + at->pad[1]) / (2 * lanes) + 1) * FC_POOL_STRIP_STATE * lanes * element;
        job->staging_bytes = fc_pool_strip_scratch(at, job->block_rows, lanes) * element;
    } else if (job->stream) {
        job->staging_bytes = job->block_rows * y_row;
        job->index_bytes = job->block_rows * index_row;
    }
}

fc_status fc_pool_strips_run(fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_strips at = strips_of(job);
    lay_out(job, &at);
    const int64_t planes = desc->n * desc->c, work = desc->in[0] * desc->in[1] * desc->in[2];
    if (desc->pass == FC_FORWARD)
        return fc_pool_run(job, planes * job->axis[0].out * job->axis[1].out, job->axis[2].out * 4, forward_task);
    return fc_pool_run(job, planes, work * 2, backward_task);
}
