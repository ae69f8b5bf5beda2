/* lines.c: correlation along one axis, in float64 whatever the elements are.
 *
 * The array is (before, n, after). Where `after` is long, a task takes a band of outputs along the axis and a block of
 * columns: taps are rows in scratch, widened once for the band and at distances that caches like. Where it is short, a task
 * takes runs of lines: a run with its border lies in scratch, and taps are the same run further on. Many lines that are
 * short themselves are columns: elements may lie anywhere, so that `before` is as good as `after`. Either way scratch holds
 * no more than a band, and of an axis that is shorter than its kernel each row once. */
#include <math.h>
#include <string.h>

#include "conv/geometry.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum {
    COLUMNS = 512,      /* of a block */
    LEAST_COLUMNS = 32, /* of a block of long kernels */
    FEW_COLUMNS = 64,   /* below, lines are runs */
    FEW_ALWAYS = 16,    /* below, however long the kernel is */
    SHORT_LINE = 24,    /* elements of a line below which many lines are columns, */
    SHORT_PER_TAP = 2,  /* more for each tap, since a run copies what a border adds one by one, */
    SHORT_MOST = 128,   /* up to */
    BAND = 32,          /* rows of outputs, and as many as taps, up to */
    LONGEST_BAND = 128,
    RUN = 4096,             /* elements of outputs in a run */
    TASK = 1 << 14,         /* elements of outputs in a task of runs */
    LIMIT = 1 << 17,        /* elements of scratch, where columns or runs can be shorter */
    SERIAL_BELOW = 1 << 14, /* outputs that are not worth a second thread */
    SLACK = 16              /* elements that whole vectors touch beyond a row */
};

/* One of the two arrays: where elements lie, and whether neighbours are next to each other as the machine has them. */
typedef struct side {
    char *data;
    const int64_t *stride;
    size_t size;
    int plain;
} side;

typedef struct job {
    const fc_line_desc *d;
    const fc_line_kernels *kernels;
    int64_t lanes;
    fc_line_symmetry symmetry;
    const double *weight;
    side x, y;
    int64_t length, lengths; /* outputs along the axis of a task, tasks along it */
    int64_t blocks;          /* of columns; with runs: tasks of lines */
    int64_t lines;           /* of such a task */
    int64_t rows;            /* in scratch */
    char *scratch;           /* of each worker: pointers to taps, rows, a row of results, one of elements */
    size_t worker_bytes, rows_at, result_at, element_at;
    int64_t pitch; /* of its rows */
} job;

/* Elements of one plane: rows by columns, with the bytes between two of each. */
typedef struct block {
    char *at;
    int64_t rows, columns, row, step;
} block;

/* As SciPy decides it: equal to within the epsilon of float64. */
static fc_line_symmetry symmetry_of(const double *weight, int64_t taps) {
    int even = taps % 2, odd = taps % 2;
    for (int64_t t = 0; t < taps / 2; ++t) {
        if (fabs(weight[taps - 1 - t] - weight[t]) > 0x1p-52) even = 0;
        if (fabs(weight[taps - 1 - t] + weight[t]) > 0x1p-52) odd = 0;
    }
    return even ? FC_LINE_EVEN : odd ? FC_LINE_ODD : FC_LINE_PLAIN;
}

static void fill(double *dst, double value, int64_t count) {
    for (int64_t i = 0; i < count; ++i) dst[i] = value;
}

/* ---- elements that do not lie side by side ------------------------------------------------------------------------- */

/* `rows` positions of the axis from position p of a line, `columns` elements of each from `column`; one row if that can be. */
static block block_of(const side *s, int64_t line, int64_t p, int64_t column, int64_t rows, int64_t columns) {
    char *at = s->data + line * s->stride[0] + p * s->stride[1] + column * s->stride[2];
    if (columns == 1) return (block){at, 1, rows, 0, s->stride[1]};
    if (rows == 1 || s->stride[1] == columns * s->stride[2]) return (block){at, 1, rows * columns, 0, s->stride[2]};
    return (block){at, rows, columns, s->stride[1], s->stride[2]};
}

static int is_plain(const side *s, const block *b) {
    return s->plain && b->rows == 1 && (b->columns == 1 || b->step == (int64_t)s->size);
}

#define SWAP_1(v) (v)
#define SWAP_2 __builtin_bswap16
#define SWAP_4 __builtin_bswap32
#define SWAP_8 __builtin_bswap64
#define EACH_ELEMENT(bytes, type, body)                                                                                \
    case bytes:                                                                                                        \
        for (int64_t r = 0; r < b->rows; ++r) {                                                                        \
            char *far = b->at + r * b->row;                                                                            \
            for (int64_t c = 0; c < b->columns; ++c, far += b->step, near += bytes) {                                  \
                type v;                                                                                                \
                body                                                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        break;
#define GATHER(bytes, type)                                                                                            \
    EACH_ELEMENT(bytes, type, memcpy(&v, far, bytes); if (swapped) v = SWAP_##bytes(v); memcpy(near, &v, bytes);)
#define SCATTER(bytes, type) EACH_ELEMENT(bytes, type, memcpy(&v, near, bytes); memcpy(far, &v, bytes);)

static void gather(char *near, const block *b, size_t size, int swapped) {
    switch (size) {
        GATHER(1, uint8_t)
        GATHER(2, uint16_t)
        GATHER(4, uint32_t)
        GATHER(8, uint64_t)
    }
}

static void scatter(const block *b, const char *near, size_t size) {
    switch (size) {
        SCATTER(1, uint8_t)
        SCATTER(2, uint16_t)
        SCATTER(4, uint32_t)
        SCATTER(8, uint64_t)
    }
}

/* elements: room for those of a block. */
static void read_block(const job *j, double *dst, const block *b, void *elements) {
    const void *src = b->at;
    if (!is_plain(&j->x, b)) {
        gather(elements, b, j->x.size, j->d->swapped);
        src = elements;
    }
    j->kernels->widen[j->d->input_type](dst, src, b->rows * b->columns);
}

/* The outputs of a block. Whole vectors of the taps are read, wherever the block is smaller. */
static void write_block(const job *j, const double *const *tap, const block *b, double *result, void *elements) {
    const fc_line_desc *d = j->d;
    const int64_t count = b->rows * b->columns;
    const int plain = is_plain(&j->y, b), direct = plain && d->output_type == FC_FLOAT64 && count >= j->lanes;
    j->kernels->correlate(tap, d->taps, j->symmetry, j->weight, d->divisor, fc_max(count, j->lanes),
                          direct ? (double *)(void *)b->at : result);
    if (direct) return;
    j->kernels->narrow[d->output_type](plain ? b->at : elements, result, count);
    if (!plain) scatter(b, elements, j->y.size);
}

/* ---- across rows -------------------------------------------------------------------------------------------------- */

static void rows_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_line_desc *d = j->d;
    const int64_t part = index % j->blocks, band = index / j->blocks % j->lengths,
                  plane = index / j->blocks / j->lengths;
    const int64_t width = fc_ceil_div(d->after, j->blocks), column = part * width;
    const int64_t count = fc_min(width, d->after - column);
    if (count <= 0) return;
    const int64_t first = band * j->length, outputs = fc_min(j->length, d->outputs - first);
    char *own = j->scratch + (size_t)worker * j->worker_bytes;
    const double **tap = (const double **)own;
    double *rows = (double *)(own + j->rows_at), *result = (double *)(own + j->result_at);
    void *elements = own + j->element_at;
    const int once = j->length + d->taps - 1 > j->rows; /* row p of the axis is row p of scratch */
    if (once) {
        for (int64_t p = 0; p < d->n; ++p) {
            const block from = block_of(&j->x, plane, p, column, 1, count);
            read_block(j, rows + p * j->pitch, &from, elements);
        }
        fill(rows + d->n * j->pitch, d->border_value, count);
    }
    for (int64_t i = 0; i < outputs + d->taps - 1; ++i) {
        const int64_t at = fc_border_index(d->border, d->first + first + i - d->reach, d->n);
        double *row = rows + (once ? at < 0 ? d->n : at : i) * j->pitch;
        tap[i] = row;
        if (once) continue;
        if (at < 0) {
            fill(row, d->border_value, count);
        } else {
            const block from = block_of(&j->x, plane, at, column, 1, count);
            read_block(j, row, &from, elements);
        }
    }
    for (int64_t i = 0; i < outputs; ++i) {
        const block to = block_of(&j->y, plane, first + i, column, 1, count);
        write_block(j, tap + i, &to, result, elements);
    }
}

static void lay_rows(job *j) {
    const fc_line_desc *d = j->d;
    j->length = fc_min(fc_max(BAND, fc_min(d->taps, LONGEST_BAND)), d->outputs);
    j->lengths = fc_ceil_div(d->outputs, j->length);
    j->rows = fc_min(j->length + d->taps - 1, d->n + 1);
    j->blocks = fc_ceil_div(d->after, fc_max(LEAST_COLUMNS, fc_min(COLUMNS, LIMIT / j->rows)));
    j->pitch = fc_ceil_div(d->after, j->blocks) + SLACK;
}

/* ---- along runs --------------------------------------------------------------------------------------------------- */

/* One run of a line with its border: positions first - reach on, `count` of them, `after` elements each. What a border
 * repeats is mostly in the run: there a copy costs less than a call for one element. */
static void fill_run(const job *j, double *row, int64_t line, int64_t first, int64_t count, void *elements) {
    const fc_line_desc *d = j->d;
    const int64_t start = d->first + first - d->reach, inside = fc_max(start, 0), end = fc_min(start + count, d->n);
    if (inside < end) {
        const block from = block_of(&j->x, line, inside, 0, end - inside, d->after);
        read_block(j, row + (inside - start) * d->after, &from, elements);
    }
    for (int64_t p = start; p < start + count; ++p) {
        if (p == inside && p < end) p = end;
        if (p == start + count) break;
        double *to = row + (p - start) * d->after;
        const int64_t at = fc_border_index(d->border, p, d->n);
        if (at < 0) {
            fill(to, d->border_value, d->after);
        } else if (at >= inside && at < end) {
            memcpy(to, row + (at - start) * d->after, (size_t)d->after * sizeof(double));
        } else {
            const block from = block_of(&j->x, line, at, 0, 1, d->after);
            read_block(j, to, &from, elements);
        }
    }
}

static void runs_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_line_desc *d = j->d;
    char *own = j->scratch + (size_t)worker * j->worker_bytes;
    const double **tap = (const double **)own;
    double *row = (double *)(own + j->rows_at), *result = (double *)(own + j->result_at);
    void *elements = own + j->element_at;
    for (int64_t t = 0; t < d->taps; ++t) tap[t] = row + t * d->after;
    const int64_t first = index % j->lengths * j->length, count = fc_min(j->length, d->outputs - first);
    const int64_t from = index / j->lengths * j->lines, to = fc_min(from + j->lines, d->before);
    for (int64_t line = from; line < to; ++line) {
        fill_run(j, row, line, first, count + d->taps - 1, elements);
        const block target = block_of(&j->y, line, first, 0, count, d->after);
        write_block(j, tap, &target, result, elements);
    }
}

static void lay_runs(job *j) {
    const fc_line_desc *d = j->d;
    j->lengths = fc_ceil_div(d->outputs, fc_max(1, RUN / d->after));
    j->length = fc_ceil_div(d->outputs, j->lengths);
    j->lengths = fc_ceil_div(d->outputs, j->length);
    j->lines = fc_max(1, fc_min(d->before, TASK / (j->length * d->after)));
    j->blocks = fc_ceil_div(d->before, j->lines);
    j->rows = 1;
    j->pitch = (j->length + d->taps - 1) * d->after + SLACK;
}

/* ------------------------------------------------------------------------------------------------------------------- */

static const size_t SIZE[FC_DTYPES] = {
    [FC_FLOAT32] = 4, [FC_FLOAT64] = 8, [FC_INT8] = 1,   [FC_UINT8] = 1, [FC_INT16] = 2,
    [FC_UINT16] = 2,  [FC_INT32] = 4,   [FC_UINT32] = 4, [FC_INT64] = 8, [FC_UINT64] = 8,
};

static side side_of(void *data, fc_dtype type, const int64_t stride[3]) {
    const size_t size = SIZE[type];
    const uint64_t all = (uintptr_t)data | (uint64_t)stride[0] | (uint64_t)stride[1] | (uint64_t)stride[2];
    return (side){data, stride, size, all % size == 0};
}

static fc_status check(const fc_line_desc *d) {
    if (!d || d->struct_size != sizeof *d || d->before < 0 || d->n < 0 || d->after < 0 || d->taps < 1 || d->reach < 0 ||
        d->reach >= d->taps || d->border < FC_CONSTANT || d->border > FC_WRAP || d->first < 0 || d->outputs < 0 ||
        d->first > d->n - d->outputs)
        return FC_INVALID;
    const fc_line_kernels *kernels = &fc_kernels_for(fc_isa(), FC_FLOAT64)->line;
    if ((unsigned)d->input_type >= FC_DTYPES || (unsigned)d->output_type >= FC_DTYPES ||
        !kernels->widen[d->input_type] || !kernels->narrow[d->output_type])
        return FC_UNSUPPORTED;
    int64_t total;
    if (__builtin_mul_overflow(d->before, d->n, &total) || __builtin_mul_overflow(total, d->after, &total) ||
        total > INT64_MAX / 16 || d->taps > INT32_MAX / FEW_COLUMNS)
        return FC_OVERFLOW;
    return FC_OK;
}

static int wants_runs(const fc_line_desc *d) {
    return d->after < FEW_ALWAYS || (d->after < FEW_COLUMNS && d->taps * d->after <= LIMIT);
}

static void swap(int64_t *a, int64_t *b) {
    const int64_t c = *a;
    *a = *b, *b = c;
}

/* Many short lines are columns of a few long rows. */
static fc_line_desc turned(fc_line_desc d) {
    if (wants_runs(&d) && d.before >= FEW_COLUMNS &&
        d.n * d.after < fc_min(SHORT_MOST, SHORT_LINE + SHORT_PER_TAP * d.taps)) {
        swap(&d.before, &d.after);
        swap(&d.x_stride[0], &d.x_stride[2]);
        swap(&d.y_stride[0], &d.y_stride[2]);
    }
    return d;
}

fc_status fc_correlate_lines(const fc_line_desc *desc, const void *x, const double *weight, void *y, int threads) {
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    const fc_line_desc wanted = turned(*desc), *d = &wanted;
    const int64_t outputs = d->before * d->outputs * d->after;
    if (outputs == 0) return FC_OK;
    if (!x || !weight || !y) return FC_INVALID;
    const fc_kernels *kernels = fc_kernels_for(fc_isa(), FC_FLOAT64);
    job j = {.d = d, .kernels = &kernels->line, .lanes = kernels->lanes, .weight = weight};
    j.symmetry = symmetry_of(weight, d->taps);
    j.x = side_of((void *)(uintptr_t)x, d->input_type, d->x_stride);
    j.x.plain &= !d->swapped;
    j.y = side_of(y, d->output_type, d->y_stride);
    const int runs = wants_runs(d);
    if (runs) {
        lay_runs(&j);
    } else {
        lay_rows(&j);
    }
    const int64_t taps = runs ? d->taps : j.length + d->taps - 1;
    const size_t row_bytes = fc_align_up((size_t)j.pitch * sizeof(double));
    j.rows_at = fc_align_up((size_t)taps * sizeof(double *));
    j.result_at = j.rows_at + fc_align_up((size_t)(j.rows * j.pitch) * sizeof(double));
    j.element_at = j.result_at + row_bytes;
    j.worker_bytes = j.element_at + row_bytes;
    const int64_t tasks = (runs ? 1 : d->before) * j.lengths * j.blocks;
    const int workers = fc_workers(tasks, outputs < SERIAL_BELOW ? 1 : threads);
    j.scratch = fc_scratch_acquire((size_t)workers * j.worker_bytes);
    if (!j.scratch) return FC_NO_MEMORY;
    fc_parallel_for(tasks, workers, runs ? runs_task : rows_task, &j);
    fc_scratch_release(j.scratch);
    return FC_OK;
}
