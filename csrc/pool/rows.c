/* rows.c: forward pools over any strides. The rows under a row of windows are combined column by column into a buffer with
 * its borders filled in, which is then reduced along the width. */
#include "pool/job.h"

/* The buffer's columns: borders before, input columns, and after them all that vector loads may touch. */
typedef struct columns {
    int64_t before, first, length, after;
} columns;

static columns columns_under(const fc_pool_job *job, const fc_pool_bench *bench) {
    const fc_pool_axis *width = &job->axis[2];
    columns c = {.before = fc_max(-bench->start, 0), .first = fc_max(bench->start, 0)};
    c.length = fc_min(bench->end, width->in) - c.first;
    int64_t total = bench->end - bench->start;
    if (!width->adaptive && !job->by_spans && width->stride <= 2) {
        const int64_t rounded = (bench->count + FC_POOL_MAX_LANES - 1) / FC_POOL_MAX_LANES * FC_POOL_MAX_LANES;
        total = fc_max(total, rounded * width->stride + (width->kernel - 1) * width->dilation);
    }
    c.after = total - c.before - c.length;
    return c;
}

static void line_with_places(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, void *y,
                             int64_t *index, int64_t index_step) {
    const fc_pool_axis *width = &job->axis[2];
    const columns c = columns_under(job, bench);
    const int64_t base = fc_pool_line_base(job, line), *stride = job->desc->x_stride;
    fc_pool_line_offsets(job, line, bench->offsets);
    if (width->adaptive || bench->offsets[line->row_count - 1] + c.length >= FC_POOL_EXACT_PLACES) {
        fc_pool_line_rows(job, line, stride, job->args->x, 0, bench->rows);
        job->leaf->search(bench->rows, bench->offsets, line->row_count, stride[4], &bench->spans, y, base, index,
                          index_step);
        return;
    }
    fc_pool_line_rows(job, line, stride, job->args->x, c.first, bench->rows);
    job->leaf->columns_indexed(bench->rows, bench->offsets, line->row_count, stride[4], c.before, c.length, c.after,
                               bench->buffer, bench->places);
    job->leaf->windows_indexed(bench->buffer, bench->places, width->stride, width->dilation, width->kernel,
                               bench->count, y, base + c.first, index, index_step);
}

void fc_pool_rows_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, void *y, int64_t *index,
                       int64_t index_step) {
    if (index) {
        line_with_places(job, bench, line, y, index, index_step);
        return;
    }
    const fc_pool_axis *width = &job->axis[2];
    const fc_pool_rule *rule = &job->rule;
    const int64_t step = job->desc->x_stride[4];
    columns c = columns_under(job, bench);
    fc_pool_line_rows(job, line, job->desc->x_stride, job->args->x, c.first, bench->rows);
    const void *buffer = bench->buffer;
    int64_t origin = bench->start;
    const int plain = rule->reduction == FC_REDUCE_MAX || rule->reduction == FC_REDUCE_SUM;
    if (job->by_spans && plain && line->row_count == 1 && step == 1) {
        buffer = bench->rows[0];
        origin = c.first;
    } else {
        job->leaf->columns(rule, bench->rows, line->row_count, step, c.before, c.length, c.after, bench->buffer);
    }
    if (job->by_spans) {
        job->leaf->spans(rule, buffer, origin, &bench->spans, y);
    } else {
        job->leaf->windows(rule, buffer, width->stride, width->dilation, width->kernel, bench->count, y);
    }
    const double outer = bench->even ? line->outer * bench->even : line->outer;
    if (rule->root != FC_ROOT_NONE || outer != 1 || !bench->even)
        job->leaf->finish(rule, bench->even ? NULL : bench->divisors, outer, bench->count, y);
}

static void output_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line) {
    const fc_pool_desc *desc = job->desc;
    void *y =
        fc_pool_at(job, job->args->y, fc_pool_offset(desc->y_stride, line->n, line->c, line->d, line->h, bench->q0));
    int64_t *index = job->args->indices;
    if (index) index += fc_pool_offset(desc->index_stride, line->n, line->c, line->d, line->h, bench->q0);
    const int direct = desc->y_stride[4] == 1;
    fc_pool_rows_line(job, bench, line, direct ? y : bench->y, index, desc->index_stride[4]);
    if (!direct) job->kernels->scatter(y, desc->y_stride[4], bench->y, bench->count);
}

void fc_pool_rows_output(const fc_pool_job *job, fc_pool_bench *bench, int64_t n, int64_t c, int64_t d, int64_t h) {
    const fc_pool_line line = fc_pool_line_at(job, n, c, d, h);
    for (int64_t chunk = 0; chunk < job->chunks; ++chunk) {
        fc_pool_bench_chunk(job, bench, chunk);
        output_line(job, bench, &line);
    }
}

/* Items are lines, chunk after chunk; within a chunk the height runs fastest, then depth, channels and images. */
static void rows_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const int64_t n = job->desc->n, channels = job->desc->c, depth = job->axis[0].out, height = job->axis[1].out;
    int64_t rest = first;
    int64_t h = rest % height, d = (rest /= height) % depth, c = (rest /= depth) % channels;
    int64_t image = (rest /= channels) % n, chunk = rest / n;
    for (int64_t item = first; item < last; ++item) {
        fc_pool_bench_chunk(job, bench, chunk);
        const fc_pool_line line = fc_pool_line_at(job, image, c, d, h);
        output_line(job, bench, &line);
        if (++h < height) continue;
        h = 0;
        if (++d < depth) continue;
        d = 0;
        if (++c < channels) continue;
        c = 0;
        if (++image < n) continue;
        image = 0;
        ++chunk;
    }
}

fc_status fc_pool_rows_forward(fc_pool_job *job) {
    const int64_t lines = job->desc->n * job->desc->c * job->axis[0].out * job->axis[1].out;
    const int64_t each = job->max_rows * fc_min(job->buffer, job->axis[2].in) + job->chunk * 4;
    return fc_pool_run(job, lines * job->chunks, each, rows_task);
}
