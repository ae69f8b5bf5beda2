/* rows_backward.c: gradients of pools over any strides. One task owns whole planes of dx, clears them and lets the windows
 * add to them in order. */
#include <string.h>

#include "pool/job.h"

/* dy of the line with unit step. */
static const void *unit_step(const fc_pool_job *job, void *staging, const void *row, int64_t step, int64_t count) {
    if (step == 1) return row;
    job->kernels->gather(staging, row, step, count);
    return staging;
}

/* buffer = 0 from the first column of the chunk's windows to the last, then every value is added to its window. */
static void spread(const fc_pool_job *job, const fc_pool_bench *bench, const void *values, void *buffer) {
    const fc_pool_axis *width = &job->axis[2];
    const int64_t length = bench->end - bench->start;
    if (job->by_spans) {
        job->leaf->spread_spans(values, bench->start, &bench->spans, buffer, length);
    } else {
        job->leaf->spread(values, width->stride, width->dilation, width->kernel, bench->count, buffer, length);
    }
}

/* The columns of the input under the chunk's windows: `length` from `first` on. */
static void covered(const fc_pool_job *job, const fc_pool_bench *bench, int64_t *first, int64_t *length) {
    *first = fc_max(bench->start, 0);
    *length = fc_min(bench->end, job->axis[2].in) - *first;
}

/* bench->values = dy / divisor */
static void scale(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, const void *dy) {
    if (dy != bench->values) memcpy(bench->values, dy, (size_t)(bench->count * job->element));
    job->leaf->finish(&job->rule, bench->even ? NULL : bench->divisors,
                      bench->even ? line->outer * bench->even : line->outer, bench->count, bench->values);
}

static void avg_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, const void *dy) {
    int64_t first, length;
    covered(job, bench, &first, &length);
    scale(job, bench, line, dy);
    spread(job, bench, bench->values, bench->buffer);
    fc_pool_line_rows(job, line, job->desc->dx_stride, job->args->dx, first, (const void **)bench->dx_rows);
    job->leaf->add_rows(fc_pool_at(job, bench->buffer, first - bench->start), bench->dx_rows, line->row_count,
                        job->desc->dx_stride[4], length);
}

/* p = 1 and 2; says whether it was done, which y of extreme size prevents. */
static int norm_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, const void *dy,
                     const void *y) {
    const fc_pool_desc *desc = job->desc;
    if (job->rule.reduction != FC_REDUCE_SUM_ABS && job->rule.reduction != FC_REDUCE_SUM_SQUARES) return 0;
    if (!job->leaf->norm_values(&job->rule, dy, y, bench->count, bench->scaled)) return 0;
    int64_t first, length;
    covered(job, bench, &first, &length);
    spread(job, bench, bench->scaled, bench->buffer);
    fc_pool_line_rows(job, line, desc->x_stride, job->args->x, first, bench->rows);
    fc_pool_line_rows(job, line, desc->dx_stride, job->args->dx, first, (const void **)bench->dx_rows);
    job->leaf->norm_rows(&job->rule, fc_pool_at(job, bench->buffer, first - bench->start), bench->rows,
                         desc->x_stride[4], bench->dx_rows, desc->dx_stride[4], line->row_count, length);
    return 1;
}

static void match_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, fc_pool_match match,
                       const void *dy, const void *y) {
    const int64_t x_step = job->desc->x_stride[4], dx_step = job->desc->dx_stride[4];
    for (int64_t r = 0; r < line->row_count; ++r)
        job->leaf->match_row(match, job->rule.reduction == FC_REDUCE_MAX_ABS, &bench->spans, bench->rows[r], x_step,
                             bench->dx_rows[r], dx_step, dy, y, bench->counts);
}

/* Gradients that look at the values again: Lp, and maxima whose ties share or are searched in magnitude. */
static void value_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, const void *dy) {
    const fc_pool_desc *desc = job->desc;
    const void *y = bench->y;
    if (job->args->y) {
        const int64_t at = fc_pool_offset(desc->y_stride, line->n, line->c, line->d, line->h, bench->q0);
        y = unit_step(job, bench->y, fc_pool_at(job, job->args->y, at), desc->y_stride[4], bench->count);
    } else {
        fc_pool_rows_line(job, bench, line, bench->y, NULL, 0);
    }
    if (norm_line(job, bench, line, dy, y)) return;
    fc_pool_line_rows(job, line, desc->x_stride, job->args->x, 0, bench->rows);
    fc_pool_line_rows(job, line, desc->dx_stride, job->args->dx, 0, (const void **)bench->dx_rows);
    if (job->rule.reduction != FC_REDUCE_MAX && job->rule.reduction != FC_REDUCE_MAX_ABS) {
        for (int64_t r = 0; r < line->row_count; ++r)
            job->leaf->norm_row(&job->rule, &bench->spans, bench->rows[r], desc->x_stride[4], bench->dx_rows[r],
                                desc->dx_stride[4], dy, y, bench->divisors, line->outer);
        return;
    }
    memset(bench->counts, 0, (size_t)bench->count * sizeof *bench->counts);
    if (desc->ties == FC_TIES_SPLIT) match_line(job, bench, line, FC_MATCH_COUNT, dy, y);
    const fc_pool_match matches[] = {
        [FC_TIES_FIRST] = FC_MATCH_FIRST, [FC_TIES_SPLIT] = FC_MATCH_SPLIT, [FC_TIES_ALL] = FC_MATCH_ALL};
    match_line(job, bench, line, matches[desc->ties], dy, y);
}

static void backward_line(fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line) {
    const fc_pool_desc *desc = job->desc;
    const int64_t step = desc->dy_stride[4];
    const void *dy =
        fc_pool_at(job, job->args->dy, fc_pool_offset(desc->dy_stride, line->n, line->c, line->d, line->h, bench->q0));
    if (desc->kind == FC_POOL_MAX && desc->ties == FC_TIES_FIRST) {
        const int64_t *index = bench->index;
        int64_t index_step = 1;
        if (job->args->indices) {
            index =
                job->args->indices + fc_pool_offset(desc->index_stride, line->n, line->c, line->d, line->h, bench->q0);
            index_step = desc->index_stride[4];
        } else {
            fc_pool_rows_line(job, bench, line, bench->y, bench->index, 1);
        }
        const fc_pool_plane plane = fc_pool_plane_of(desc->in, desc->dx_stride + 2, 0);
        void *dx = fc_pool_at(job, job->args->dx, fc_pool_offset(desc->dx_stride, line->n, line->c, 0, 0, 0));
        if (!job->leaf->scatter_add(&plane, index, index_step, dy, step, bench->count, dx))
            atomic_store(&job->bad_index, 1);
        return;
    }
    dy = unit_step(job, bench->values, dy, step, bench->count);
    if (desc->kind == FC_POOL_AVG) {
        avg_line(job, bench, line, dy);
    } else {
        value_line(job, bench, line, dy);
    }
}

void fc_pool_rows_planes(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    for (int64_t plane = first; plane < last; ++plane) {
        const int64_t n = plane / desc->c, c = plane % desc->c;
        fc_pool_clear(fc_pool_at(job, job->args->dx, fc_pool_offset(desc->dx_stride, n, c, 0, 0, 0)), job->element,
                      desc->in, desc->dx_stride + 2);
        for (int64_t chunk = 0; chunk < job->chunks; ++chunk) {
            fc_pool_bench_chunk(job, bench, chunk);
            for (int64_t d = 0; d < job->axis[0].out; ++d) {
                for (int64_t h = 0; h < job->axis[1].out; ++h) {
                    const fc_pool_line line = fc_pool_line_at(job, n, c, d, h);
                    backward_line(job, bench, &line);
                }
            }
        }
    }
}

/* Averages whose windows tile one row: every chunk owns its part of dx. */
static void folded_task(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last) {
    const fc_pool_desc *desc = job->desc;
    const int64_t step = desc->dx_stride[4];
    for (int64_t chunk = first; chunk < last; ++chunk) {
        fc_pool_bench_chunk(job, bench, chunk);
        const fc_pool_line line = fc_pool_line_at(job, 0, 0, 0, 0);
        const void *dy = fc_pool_at(job, job->args->dy, bench->q0 * desc->dy_stride[4]);
        char *dx = fc_pool_at(job, job->args->dx, bench->start * step);
        scale(job, bench, &line, unit_step(job, bench->values, dy, desc->dy_stride[4], bench->count));
        spread(job, bench, bench->values, step == 1 ? dx : bench->buffer);
        if (step != 1) job->kernels->scatter(dx, step, bench->buffer, bench->end - bench->start);
    }
}

fc_status fc_pool_rows_backward(fc_pool_job *job) {
    if (job->folded) return fc_pool_run(job, job->chunks, job->chunk * job->axis[2].kernel * 2, folded_task);
    const int64_t each = job->desc->in[0] * job->desc->in[1] * job->desc->in[2] * 2;
    return fc_pool_run(job, job->desc->n * job->desc->c, each, fc_pool_rows_planes);
}
