/* linear.c: fully connected layers over the tiles that convolution uses, no BLAS.
 *
 * Forward, y = x w^T, sums along the contiguous axis of both factors: the dot tiles take them as they lie. Backward,
 * dx = dy w and dw = dy^T x, sums over rows: the corr tiles run over the rows of w or x in place, with dy packed
 * into columns. Tasks own blocks of the result; how the sums are cut depends on the shapes alone, so any number of
 * threads gives the same bits. */
#include <string.h>

#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum {
    DOT_BYTES = 4096,       /* of a row summed at a time: a tile's rows stay in the first cache */
    DOT_ROWS = 128,         /* most rows of x in a task: with DOT_BYTES, they stay in the second cache */
    DOT_COLUMNS = 256,      /* most outputs in a task */
    DEPTH = 128,            /* rows of w or x summed at a time */
    ROWS = 256,             /* most rows of a product in a task */
    COLUMNS = 2048,         /* most columns of a product in a task */
    SUM_COLUMNS = 512,      /* columns of dy in a task of the bias's gradient */
    SERIAL_BELOW = 1 << 18, /* multiply-adds that are not worth a second thread */
};

/* A block size near count/parts, in whole tiles, at most `most`. */
static int64_t share(int64_t count, int parts, int tile, int64_t most) {
    const int64_t size = fc_ceil_div(fc_ceil_div(count, parts), tile) * tile;
    return size < tile ? tile : fc_min(size, most / tile * tile);
}

typedef struct forward_job {
    const fc_kernels *kernels;
    int64_t n, in, out, depth, rows, columns, column_blocks;
    const char *x, *w, *b;
    char *y;
    fc_activation activation;
    double parameter;
    int tr; /* rows of w in a tile */
    int32_t off[FC_MAX_DOT_TR];
} forward_job;

static void forward_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const forward_job *j = ctx;
    const fc_kernels *k = j->kernels;
    const int64_t element = (int64_t)k->element;
    const int64_t n0 = index / j->column_blocks * j->rows, n1 = fc_min(n0 + j->rows, j->n);
    const int64_t o0 = index % j->column_blocks * j->columns, o1 = fc_min(o0 + j->columns, j->out);
    int64_t from = 0;
    do {
        const int64_t count = fc_min(j->depth, j->in - from);
        const fc_runs runs = {1, count, 0, 0};
        for (int64_t o = o0; o < o1; o += j->tr) {
            const int tr = (int)fc_min(j->tr, o1 - o);
            for (int64_t n = n0; n < n1; n += k->dot_mr) {
                const int mr = (int)fc_min(k->dot_mr, n1 - n);
                k->dot[mr - 1][tr - 1](&runs, j->x + (n * j->in + from) * element, j->in,
                                       j->w + (o * j->in + from) * element, j->off, j->y + (n * j->out + o) * element,
                                       j->out, from == 0);
            }
        }
        from += j->depth;
    } while (from < j->in);
    if (j->b || j->activation != FC_IDENTITY)
        k->finish_rows(n1 - n0, o1 - o0, j->out, j->b ? j->b + o0 * element : NULL, j->activation, j->parameter,
                       j->y + (n0 * j->out + o0) * element);
}

fc_status fc_linear_forward(fc_dtype type, int64_t n, int64_t in, int64_t out, const void *x, const void *w,
                            const void *b, fc_activation act, double parameter, void *y, int threads) {
    const fc_kernels *kernels = fc_kernels_for(fc_isa(), type);
    if (!kernels) return FC_UNSUPPORTED;
    if (n < 0 || in < 0 || out < 0 || act < FC_IDENTITY || act > FC_LEAKY_RELU) return FC_INVALID;
    if (n == 0 || out == 0) return FC_OK;
    forward_job j = {.kernels = kernels, .n = n, .in = in, .out = out, .x = x, .w = w, .b = b, .y = y};
    j.activation = act;
    j.parameter = parameter;
    j.depth = n <= kernels->dot_mr ? in : DOT_BYTES / (int64_t)kernels->element;
    if (j.depth < 1) j.depth = 1;
    j.tr = in <= INT32_MAX / FC_MAX_DOT_TR ? kernels->dot_tr : 1;
    for (int t = 0; t < j.tr; ++t) j.off[t] = (int32_t)(t * in);
    j.rows = share(n, 4, kernels->dot_mr, DOT_ROWS);
    j.columns = share(out, 4, j.tr, DOT_COLUMNS);
    j.column_blocks = fc_ceil_div(out, j.columns);
    const int64_t tasks = fc_ceil_div(n, j.rows) * j.column_blocks;
    fc_parallel_for(tasks, (double)n * (double)in * (double)out < SERIAL_BELOW ? 1 : threads, forward_task, &j);
    return FC_OK;
}

/* c[m][q] = sum_{k<depth} a[m*a_row + k*a_column] * b[k][q],  m < rows, q < columns; b and c row-major, contiguous. */
typedef struct product {
    int64_t rows, depth, columns, a_row, a_column;
    const char *a, *b;
    char *c; /* NULL: not wanted */
    int64_t task_rows, task_columns, column_blocks, tasks;
    int64_t slice; /* of the depth, summed at a time */
    int32_t off[DEPTH], tail_off[DEPTH];
} product;

/* What a worker needs beside the operands: a packed slice of a, and the columns that fill no vector, padded. */
typedef struct room {
    char *packed, *tail_b, *tail_c;
} room;

static int64_t room_bytes(const fc_kernels *k, room *r, char *base) {
    const size_t packed = fc_align_up((size_t)ROWS * DEPTH * k->element);
    const size_t tail_b = fc_align_up((size_t)k->lanes * DEPTH * k->element);
    const size_t tail_c = fc_align_up((size_t)k->lanes * ROWS * k->element);
    if (r) *r = (room){base, base + packed, base + packed + tail_b};
    return (int64_t)(packed + tail_b + tail_c);
}

static void product_plan(product *p, const fc_kernels *k) {
    p->task_rows = share(p->rows, 4, k->mr, ROWS);
    p->task_columns = share(p->columns, 1, k->lanes * k->xr, COLUMNS);
    p->column_blocks = fc_ceil_div(p->columns, p->task_columns);
    p->tasks = p->c ? fc_ceil_div(p->rows, p->task_rows) * p->column_blocks : 0;
    p->slice = p->columns > 0 ? fc_min(DEPTH, INT32_MAX / p->columns) : DEPTH;
    if (p->slice < 1) p->slice = 1;
    for (int i = 0; i < p->slice; ++i) {
        p->off[i] = (int32_t)(i * p->columns);
        p->tail_off[i] = i * k->lanes;
    }
}

/* One column of tiles: `vectors` vectors from src, against every packed row block. */
static void tile_column(const fc_kernels *k, int64_t rows, int64_t depth, const char *packed, const char *src,
                        const int32_t *off, int vectors, char *c, int64_t ldc, int first) {
    const int64_t element = (int64_t)k->element;
    for (int64_t m = 0; m < rows; m += k->mr) {
        const int mr = (int)fc_min(k->mr, rows - m);
        k->corr[mr - 1][vectors - 1](depth, src, off, packed + m * depth * element, c + m * ldc * element, ldc, first,
                                     NULL);
    }
}

static void product_task(const product *p, const fc_kernels *k, int64_t index, room room) {
    static const int64_t no_tap = 0;
    const int64_t element = (int64_t)k->element;
    const int64_t m0 = index / p->column_blocks * p->task_rows, rows = fc_min(p->task_rows, p->rows - m0);
    const int64_t q0 = index % p->column_blocks * p->task_columns, q1 = fc_min(q0 + p->task_columns, p->columns);
    const int64_t whole = q0 + (q1 - q0) / k->lanes * k->lanes, rest = q1 - whole;
    char *c = p->c + m0 * p->columns * element;
    if (rest > 0) memset(room.tail_b, 0, (size_t)(p->slice * k->lanes * element));
    int64_t from = 0;
    do {
        const int64_t depth = fc_min(p->slice, p->depth - from);
        const char *b = p->b + from * p->columns * element;
        for (int64_t m = 0; m < rows; m += k->mr)
            k->pack(room.packed + m * depth * element, (int)fc_min(k->mr, rows - m),
                    p->a + ((m0 + m) * p->a_row + from * p->a_column) * element, p->a_row, p->a_column, depth, &no_tap,
                    1);
        for (int64_t q = q0; q < whole; q += k->xr * k->lanes) {
            const int vectors = (int)fc_min(k->xr, (whole - q) / k->lanes);
            tile_column(k, rows, depth, room.packed, b + q * element, p->off, vectors, c + q * element, p->columns,
                        from == 0);
        }
        if (rest > 0) {
            k->scatter_rows(room.tail_b, k->lanes, 1, b + whole * element, p->columns, depth, rest);
            tile_column(k, rows, depth, room.packed, room.tail_b, p->tail_off, 1, room.tail_c, k->lanes, from == 0);
        }
        from += p->slice;
    } while (from < p->depth);
    if (rest > 0) k->scatter_rows(c + whole * element, p->columns, 1, room.tail_c, k->lanes, rows, rest);
}

typedef struct backward_job {
    const fc_kernels *kernels;
    product dx, dw;
    int64_t n, out;
    const char *dy;
    char *db;
    char *scratch;
    int64_t scratch_per_worker;
} backward_job;

/* Tasks: those of dx, those of dw, then the column blocks of db. */
static void backward_task(void *ctx, int64_t index, int worker) {
    const backward_job *j = ctx;
    const int64_t element = (int64_t)j->kernels->element;
    room room;
    if (index >= j->dx.tasks + j->dw.tasks) {
        const int64_t o = (index - j->dx.tasks - j->dw.tasks) * SUM_COLUMNS;
        j->kernels->column_sums(j->n, fc_min(SUM_COLUMNS, j->out - o), j->out, j->dy + o * element,
                                j->db + o * element);
        return;
    }
    room_bytes(j->kernels, &room, j->scratch + worker * j->scratch_per_worker);
    if (index < j->dx.tasks) {
        product_task(&j->dx, j->kernels, index, room);
    } else {
        product_task(&j->dw, j->kernels, index - j->dx.tasks, room);
    }
}

fc_status fc_linear_backward(fc_dtype type, int64_t n, int64_t in, int64_t out, const void *x, const void *w,
                             const void *dy, void *dx, void *dw, void *db, int threads) {
    const fc_kernels *kernels = fc_kernels_for(fc_isa(), type);
    if (!kernels) return FC_UNSUPPORTED;
    if (n < 0 || in < 0 || out < 0) return FC_INVALID;
    backward_job j = {.kernels = kernels, .n = n, .out = out, .dy = dy, .db = db};
    j.dx = (product){.rows = n, .depth = out, .columns = in, .a_row = out, .a_column = 1, .a = dy, .b = w, .c = dx};
    j.dw = (product){.rows = out, .depth = n, .columns = in, .a_row = 1, .a_column = out, .a = dy, .b = x, .c = dw};
    product_plan(&j.dx, kernels);
    product_plan(&j.dw, kernels);
    const int64_t tasks = j.dx.tasks + j.dw.tasks + (db ? fc_ceil_div(out, SUM_COLUMNS) : 0);
    threads = fc_workers(tasks, (double)n * (double)in * (double)out < SERIAL_BELOW / 2 ? 1 : threads);
    j.scratch_per_worker = room_bytes(kernels, NULL, NULL);
    j.scratch = fc_scratch_acquire((size_t)j.scratch_per_worker * (size_t)threads);
    if (!j.scratch) return FC_NO_MEMORY;
    fc_parallel_for(tasks, threads, backward_task, &j);
    fc_scratch_release(j.scratch);
    return FC_OK;
}
