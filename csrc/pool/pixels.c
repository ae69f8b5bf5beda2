/* pixels.c: pools of tensors whose channels are contiguous; lanes are channels, so no shuffles and no staging. */
#include "pool/job.h"

static int64_t place_span(const fc_pool_job *job) {
    return fc_pool_axis_widest(&job->axis[0]) * job->axis[1].in * job->axis[2].in;
}

int fc_pool_pixels_take(const fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    if (desc->c < 2 || desc->kind == FC_POOL_UNPOOL) return 0;
    if (args->x && desc->x_stride[1] != 1) return 0;
    if (args->indices && desc->index_stride[1] != 1) return 0;
    if (desc->pass == FC_FORWARD)
        return desc->y_stride[1] == 1 && (!args->indices || place_span(job) < FC_POOL_EXACT_PLACES / 2);
    const int norm = job->rule.reduction == FC_REDUCE_SUM_ABS || job->rule.reduction == FC_REDUCE_SUM_SQUARES;
    if ((desc->kind == FC_POOL_LP && !norm) || desc->ties != FC_TIES_FIRST) return 0;
    return desc->dx_stride[1] == 1 && desc->dy_stride[1] == 1;
}

static void forward_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    const int64_t depth = job->axis[0].out, height = job->axis[1].out, lines = desc->n * depth * height;
    const int64_t pixel = desc->x_stride[4], y_pixel = desc->y_stride[4];
    for (int64_t item = first; item < last; ++item) {
        fc_pool_bench_chunk(job, bench, item / lines);
        const int64_t row = item % lines;
        const fc_pool_line line = fc_pool_line_at(job, row / height / depth, 0, row / height % depth, row % height);
        void *y = fc_pool_at(job, args->y, fc_pool_offset(desc->y_stride, line.n, 0, line.d, line.h, bench->q0));
        fc_pool_line_rows(job, &line, desc->x_stride, args->x, 0, bench->rows);
        if (args->indices) {
            fc_pool_line_offsets(job, &line, bench->offsets);
            job->leaf->pixels_indexed(bench->rows, bench->offsets, line.row_count, &bench->spans, pixel, desc->c, y,
                                      y_pixel, fc_pool_line_base(job, &line),
                                      args->indices +
                                          fc_pool_offset(desc->index_stride, line.n, 0, line.d, line.h, bench->q0),
                                      desc->index_stride[4]);
        } else {
            job->leaf->pixels(&job->rule, bench->rows, line.row_count, &bench->spans, pixel, desc->c,
                              bench->even ? NULL : bench->divisors, bench->even ? line.outer * bench->even : line.outer,
                              y, y_pixel);
        }
    }
}

/* One image and a block of its channels, which no other task touches. */
static void backward_block(fc_pool_job *job, fc_pool_bench *bench, int64_t n, int64_t c, int64_t channels, int fresh) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    for (int64_t chunk = 0; chunk < job->chunks; ++chunk) {
        fc_pool_bench_chunk(job, bench, chunk);
        for (int64_t row = 0; row < job->axis[0].out * job->axis[1].out; ++row) {
            const fc_pool_line line = fc_pool_line_at(job, n, c, row / job->axis[1].out, row % job->axis[1].out);
            const void *dy =
                fc_pool_at(job, args->dy, fc_pool_offset(desc->dy_stride, n, c, line.d, line.h, bench->q0));
            fc_pool_line_rows(job, &line, desc->dx_stride, args->dx, 0, (const void **)bench->dx_rows);
            if (desc->kind == FC_POOL_AVG) {
                job->leaf->pixels_spread(dy, desc->dy_stride[4], bench->divisors, line.outer, bench->dx_rows,
                                         line.row_count, &bench->spans, desc->dx_stride[4], channels, fresh);
                continue;
            }
            fc_pool_line_rows(job, &line, desc->x_stride, args->x, 0, bench->rows);
            if (desc->kind == FC_POOL_LP) {
                job->leaf->pixels_norm_backward(&job->rule, bench->rows, bench->dx_rows, line.row_count, &bench->spans,
                                                desc->x_stride[4], desc->dx_stride[4], channels, dy, desc->dy_stride[4],
                                                fresh);
                continue;
            }
            job->leaf->pixels_max_backward(bench->rows, bench->dx_rows, line.row_count, &bench->spans,
                                           desc->x_stride[4], desc->dx_stride[4], channels, dy, desc->dy_stride[4],
                                           fresh);
        }
    }
}

static void scatter_block(fc_pool_job *job, int64_t n, int64_t c, int64_t channels) {
    const fc_pool_desc *desc = job->desc;
    const fc_pool_args *args = job->args;
    const fc_pool_plane plane = fc_pool_plane_of(desc->in, desc->dx_stride + 2, 1);
    void *dx = fc_pool_at(job, args->dx, fc_pool_offset(desc->dx_stride, n, c, 0, 0, 0));
    for (int64_t d = 0; d < desc->out[0]; ++d) {
        for (int64_t h = 0; h < desc->out[1]; ++h) {
            for (int64_t w = 0; w < desc->out[2]; ++w) {
                const void *dy = fc_pool_at(job, args->dy, fc_pool_offset(desc->dy_stride, n, c, d, h, w));
                const int64_t *index = args->indices + fc_pool_offset(desc->index_stride, n, c, d, h, w);
                if (!job->leaf->scatter_add(&plane, index, 1, dy, 1, channels, dx)) atomic_store(&job->bad_index, 1);
            }
        }
    }
}

static int64_t channel_block(const fc_pool_job *job) {
    const int64_t threads = job->args->threads > 0 ? job->args->threads : fc_threads();
    int64_t blocks = (2 * threads + job->desc->n - 1) / job->desc->n;
    const int64_t lines = (job->desc->c + FC_POOL_MAX_LANES - 1) / FC_POOL_MAX_LANES;
    blocks = fc_min(blocks, lines);
    return (lines + blocks - 1) / blocks * FC_POOL_MAX_LANES;
}

static void clear_block(const fc_pool_job *job, int64_t n, int64_t c, int64_t channels) {
    const int64_t *in = job->desc->in, *stride = job->desc->dx_stride;
    for (int64_t d = 0; d < in[0]; ++d) {
        const int64_t size[] = {in[1], in[2], channels};
        const int64_t steps[] = {stride[3], stride[4], 1};
        fc_pool_clear(fc_pool_at(job, job->args->dx, fc_pool_offset(stride, n, c, d, 0, 0)), job->element, size, steps);
    }
}

static void backward_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const int64_t block = channel_block(job), blocks = (desc->c + block - 1) / block;
    const int tiled =
        fc_pool_axis_tiles(&job->axis[0]) && fc_pool_axis_tiles(&job->axis[1]) && fc_pool_axis_tiles(&job->axis[2]);
    const int fresh = tiled && !job->args->indices;
    for (int64_t item = first; item < last; ++item) {
        const int64_t n = item / blocks, c = item % blocks * block, channels = fc_min(block, desc->c - c);
        if (!fresh) clear_block(job, n, c, channels);
        if (job->args->indices) {
            scatter_block(job, n, c, channels);
        } else {
            backward_block(job, bench, n, c, channels, fresh);
        }
    }
}

fc_status fc_pool_pixels_run(fc_pool_job *job) {
    const fc_pool_desc *desc = job->desc;
    if (desc->pass == FC_FORWARD) {
        const int64_t lines = desc->n * job->axis[0].out * job->axis[1].out;
        const int64_t each = job->max_rows * fc_pool_axis_widest(&job->axis[2]) * job->chunk * desc->c;
        return fc_pool_run(job, lines * job->chunks, each, forward_task);
    }
    const int64_t block = channel_block(job), blocks = (desc->c + block - 1) / block;
    return fc_pool_run(job, desc->n * blocks, desc->in[0] * desc->in[1] * desc->in[2] * block, backward_task);
}
