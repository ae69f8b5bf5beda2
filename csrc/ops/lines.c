/* lines.c: correlation along one axis of a dense array, in float64 whatever the elements are.
 *
 * The array is (before, n, after). Where `after` is long, a task takes a band of outputs along the axis and a block of
 * columns: taps are rows in scratch, widened once for the band and at distances that caches like. Where it is short, a task
 * takes runs of lines: a run with its border lies in scratch, and taps are the same run further on. */
#include <math.h>
#include <string.h>

#include "conv/geometry.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum {
    COLUMNS = 512,          /* of a block */
    FEW_COLUMNS = 64,       /* below, lines are runs */
    BAND = 32,              /* rows of outputs, and at least as many as taps */
    RUN = 4096,             /* elements of outputs in a run */
    TASK = 1 << 14,         /* elements of outputs in a task of runs */
    SERIAL_BELOW = 1 << 14, /* outputs that are not worth a second thread */
    SLACK = 16              /* elements that whole vectors touch beyond a row */
};

typedef struct job {
    const fc_line_desc *d;
    const fc_kernels *kernels;
    fc_line_symmetry symmetry;
    const double *weight;
    const char *x;
    char *y;
    size_t x_size, y_size;   /* bytes of an element */
    int64_t length, lengths; /* outputs along the axis of a task, tasks along it */
    int64_t blocks;          /* of columns; with runs: tasks of lines */
    int64_t lines;           /* of such a task */
    char *scratch;           /* of each worker: pointers to taps, rows, a row of results */
    size_t worker_bytes, rows_at, result_at;
    int64_t pitch; /* of its rows */
} job;

/* As SciPy decides it: equal to within the epsilon of float64. */
static fc_line_symmetry symmetry_of(const double *weight, int64_t taps) {
    int even = taps % 2, odd = taps % 2;
    for (int64_t t = 0; t < taps / 2; ++t) {
        if (fabs(weight[taps - 1 - t] - weight[t]) > 0x1p-52) even = 0;
        if (fabs(weight[taps - 1 - t] + weight[t]) > 0x1p-52) odd = 0;
    }
    return even ? FC_LINE_EVEN : odd ? FC_LINE_ODD : FC_LINE_PLAIN;
}

static void widen(const job *j, double *dst, const void *src, int64_t count) {
    if (j->d->input_type == FC_FLOAT32) {
        j->kernels->line.widen(dst, src, count);
    } else {
        memcpy(dst, src, (size_t)count * sizeof *dst);
    }
}

static void fill(double *dst, double value, int64_t count) {
    for (int64_t i = 0; i < count; ++i) dst[i] = value;
}

/* Outputs q < count at element `to` of the result. Whole vectors of the taps are read, wherever count is less. */
static void write_row(const job *j, const double *const *tap, int64_t count, int64_t to, double *result) {
    const fc_line_desc *d = j->d;
    void *y = fc_at(j->y, to, j->y_size);
    const int direct = d->output_type == FC_FLOAT64 && count >= j->kernels->lanes;
    j->kernels->line.correlate(tap, d->taps, j->symmetry, j->weight, d->divisor, fc_max(count, j->kernels->lanes),
                               direct ? y : result);
    if (d->output_type == FC_FLOAT32) {
        j->kernels->line.narrow(y, result, count);
    } else if (!direct) {
        memcpy(y, result, (size_t)count * sizeof *result);
    }
}

/* ---- across rows -------------------------------------------------------------------------------------------------- */

static void rows_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_line_desc *d = j->d;
    const int64_t block = index % j->blocks, band = index / j->blocks % j->lengths,
                  plane = index / j->blocks / j->lengths;
    const int64_t width = fc_ceil_div(d->after, j->blocks), column = block * width;
    const int64_t count = fc_min(width, d->after - column);
    if (count <= 0) return;
    const int64_t first = band * j->length, rows = fc_min(j->length, d->n - first);
    char *own = j->scratch + (size_t)worker * j->worker_bytes;
    const double **tap = (const double **)own;
    double *row = (double *)(own + j->rows_at), *result = (double *)(own + j->result_at);
    for (int64_t i = 0; i < rows + d->taps - 1; ++i, row += j->pitch) {
        const int64_t at = fc_border_index(d->border, first + i - d->reach, d->n);
        tap[i] = row;
        if (at < 0) {
            fill(row, d->border_value, count);
        } else {
            widen(j, row, fc_at(j->x, (plane * d->n + at) * d->after + column, j->x_size), count);
        }
    }
    for (int64_t i = 0; i < rows; ++i)
        write_row(j, tap + i, count, (plane * d->n + first + i) * d->after + column, result);
}

static void lay_rows(job *j) {
    const fc_line_desc *d = j->d;
    j->length = fc_min(fc_max(BAND, d->taps), d->n);
    j->lengths = fc_ceil_div(d->n, j->length);
    j->blocks = fc_ceil_div(d->after, COLUMNS);
    j->pitch = fc_ceil_div(d->after, j->blocks) + SLACK;
}

/* ---- along runs --------------------------------------------------------------------------------------------------- */

/* One run of a line with its border: positions first - reach on, `count` of them, `after` elements each. */
static void fill_run(const job *j, double *row, int64_t line, int64_t first, int64_t count) {
    const fc_line_desc *d = j->d;
    const int64_t start = first - d->reach, inside = fc_max(start, 0), end = fc_min(start + count, d->n);
    for (int64_t p = start; p < start + count; ++p) {
        double *to = row + (p - start) * d->after;
        if (p == inside && p < end) {
            widen(j, to, fc_at(j->x, (line * d->n + p) * d->after, j->x_size), (end - p) * d->after);
            p = end - 1;
            continue;
        }
        const int64_t at = fc_border_index(d->border, p, d->n);
        if (at < 0) {
            fill(to, d->border_value, d->after);
        } else {
            widen(j, to, fc_at(j->x, (line * d->n + at) * d->after, j->x_size), d->after);
        }
    }
}

static void runs_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_line_desc *d = j->d;
    char *own = j->scratch + (size_t)worker * j->worker_bytes;
    const double **tap = (const double **)own;
    double *row = (double *)(own + j->rows_at), *result = (double *)(own + j->result_at);
    for (int64_t t = 0; t < d->taps; ++t) tap[t] = row + t * d->after;
    const int64_t first = index % j->lengths * j->length, count = fc_min(j->length, d->n - first);
    const int64_t from = index / j->lengths * j->lines, to = fc_min(from + j->lines, d->before);
    for (int64_t line = from; line < to; ++line) {
        fill_run(j, row, line, first, count + d->taps - 1);
        write_row(j, tap, count * d->after, (line * d->n + first) * d->after, result);
    }
}

static void lay_runs(job *j) {
    const fc_line_desc *d = j->d;
    j->lengths = fc_ceil_div(d->n, fc_max(1, fc_min(d->n, fc_max(RUN / d->after, d->taps))));
    j->length = fc_ceil_div(d->n, j->lengths);
    j->lengths = fc_ceil_div(d->n, j->length);
    j->lines = fc_max(1, fc_min(d->before, TASK / (j->length * d->after)));
    j->blocks = fc_ceil_div(d->before, j->lines);
    j->pitch = (j->length + d->taps - 1) * d->after + SLACK;
}

/* ------------------------------------------------------------------------------------------------------------------- */

static size_t bytes_of(fc_dtype type) { return type == FC_FLOAT64 ? sizeof(double) : sizeof(float); }

static fc_status check(const fc_line_desc *d) {
    if (!d || d->struct_size != sizeof *d || d->before < 0 || d->n < 0 || d->after < 0 || d->taps < 1 || d->reach < 0 ||
        d->reach >= d->taps || d->border < FC_CONSTANT || d->border > FC_WRAP)
        return FC_INVALID;
    if ((d->input_type != FC_FLOAT32 && d->input_type != FC_FLOAT64) ||
        (d->output_type != FC_FLOAT32 && d->output_type != FC_FLOAT64))
        return FC_UNSUPPORTED;
    int64_t total;
    if (__builtin_mul_overflow(d->before, d->n, &total) || __builtin_mul_overflow(total, d->after, &total) ||
        total > INT64_MAX / 16 || d->taps > INT32_MAX / FEW_COLUMNS)
        return FC_OVERFLOW;
    return FC_OK;
}

fc_status fc_correlate_lines(const fc_line_desc *d, const void *x, const double *weight, void *y, int threads) {
    fc_status status = check(d);
    if (status != FC_OK) return status;
    const int64_t outputs = d->before * d->n * d->after;
    if (outputs == 0) return FC_OK;
    if (!x || !weight || !y) return FC_INVALID;
    job j = {.d = d, .kernels = fc_kernels_for(fc_isa(), FC_FLOAT64), .weight = weight, .x = x, .y = y};
    j.symmetry = symmetry_of(weight, d->taps);
    j.x_size = bytes_of(d->input_type), j.y_size = bytes_of(d->output_type);
    const int runs = d->after < FEW_COLUMNS;
    if (runs) {
        lay_runs(&j);
    } else {
        lay_rows(&j);
    }
    const int64_t taps = runs ? d->taps : j.length + d->taps - 1, rows = runs ? 1 : taps;
    j.rows_at = fc_align_up((size_t)taps * sizeof(double *));
    j.result_at = j.rows_at + fc_align_up((size_t)(rows * j.pitch) * sizeof(double));
    j.worker_bytes = j.result_at + fc_align_up((size_t)j.pitch * sizeof(double));
    const int64_t tasks = (runs ? 1 : d->before) * j.lengths * j.blocks;
    const int workers = fc_workers(tasks, outputs < SERIAL_BELOW ? 1 : threads);
    j.scratch = fc_scratch_acquire((size_t)workers * j.worker_bytes);
    if (!j.scratch) return FC_NO_MEMORY;
    fc_parallel_for(tasks, workers, runs ? runs_task : rows_task, &j);
    fc_scratch_release(j.scratch);
    return FC_OK;
}
