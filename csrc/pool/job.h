/* job.h: one pooling call: its axes, rule and kernels, and the scratch of its workers. */
#ifndef FC_POOL_JOB_H
#define FC_POOL_JOB_H

#include <stdatomic.h>

#include "core/numbers.h"
#include "fastconv.h"
#include "microkernels/kernels.h"
#include "pool/axis.h"

typedef struct fc_pool_job {
    const fc_pool_desc *desc; /* the caller's, or `folding` */
    fc_pool_desc folding;
    int folded; /* channels and images became outputs along the width */
    const fc_pool_args *args;
    const fc_kernels *kernels;
    const fc_pool_kernels *leaf;
    fc_pool_axis axis[FC_SPATIAL];
    fc_pool_rule rule;
    int64_t element;

    /* Outputs along the width are worked on in chunks, so that scratch does not grow with the tensor. */
    int64_t chunk, chunks;
    int by_spans;     /* windows along the width are reduced one by one: uneven ones, and long ones */
    int64_t max_rows; /* rows under one row of windows */
    int64_t buffer;   /* elements */
    int64_t items, items_per_task;
    char *scratch;
    int64_t worker_bytes;
    atomic_int bad_index;

    int64_t block_rows, block_planes;                /* output rows, or whole planes, per block of a strip driver */
    int stream;                                      /* its blocks are staged and written past the caches */
    int64_t state_bytes, staging_bytes, index_bytes; /* scratch that it asks for */
} fc_pool_job;

/* Scratch of one worker and the windows of the chunk that it works on. */
typedef struct fc_pool_bench {
    int64_t q0, count;   /* the chunk: outputs q0 .. q0 + count */
    int64_t start, end;  /* input columns under it, borders included */
    fc_pool_spans spans; /* its windows along the width, valid elements only */
    int64_t *first, *taps;
    double *divisors; /* per output along the width, of averages */
    double even;      /* their common value, 0 if they differ */
    const void **rows;
    void **dx_rows;
    int64_t *offsets, *index, *counts;
    void *buffer, *places, *y, *values, *scaled;
    void *states, *staging; /* of the strip driver */
    int64_t *staged_index;
} fc_pool_bench;

/* One row of windows: a plane, and the output's depth and height. */
typedef struct fc_pool_line {
    int64_t n, c, d, h;
    fc_pool_window depth, height;
    int64_t row_count;
    double outer; /* the divisor but for the width's part */
} fc_pool_line;

fc_status fc_pool_job_init(fc_pool_job *job, const fc_pool_desc *desc, const fc_pool_args *args);

/* Runs task over `items` things, `each` elements of work apiece, several to a task; items lie in [first, last).
 * Returns FC_NO_MEMORY if the workers' scratch cannot be had, FC_INVALID if a task met an index outside its plane. */
typedef void (*fc_pool_task)(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last);
fc_status fc_pool_run(fc_pool_job *job, int64_t items, int64_t each, fc_pool_task task);

void fc_pool_bench_chunk(const fc_pool_job *job, fc_pool_bench *bench, int64_t chunk);
fc_pool_line fc_pool_line_at(const fc_pool_job *job, int64_t n, int64_t c, int64_t d, int64_t h);

/* Pointers to column `column` of every input row under the line, and its places relative to the first. */
void fc_pool_line_rows(const fc_pool_job *job, const fc_pool_line *line, const int64_t *stride, const void *base,
                       int64_t column, const void **rows);
void fc_pool_line_offsets(const fc_pool_job *job, const fc_pool_line *line, int64_t *offsets);
int64_t fc_pool_line_base(const fc_pool_job *job, const fc_pool_line *line);

void fc_pool_clear(const void *plane, int64_t element, const int64_t *size, const int64_t *stride);

static inline void *fc_pool_at(const fc_pool_job *job, const void *base, int64_t offset) {
    return fc_at(base, offset, (size_t)job->element);
}

static inline int64_t fc_pool_offset(const int64_t *stride, int64_t n, int64_t c, int64_t d, int64_t h, int64_t w) {
    return n * stride[0] + c * stride[1] + d * stride[2] + h * stride[3] + w * stride[4];
}

/* The drivers; each says whether it takes the job. */
int fc_pool_tiles_take(const fc_pool_job *job);
fc_status fc_pool_tiles_run(fc_pool_job *job);
int fc_pool_strips_take(const fc_pool_job *job);
fc_status fc_pool_strips_run(fc_pool_job *job);
int fc_pool_sliding_take(const fc_pool_job *job);
fc_status fc_pool_sliding_run(fc_pool_job *job);
int fc_pool_pixels_take(const fc_pool_job *job);
fc_status fc_pool_pixels_run(fc_pool_job *job);
fc_status fc_pool_rows_forward(fc_pool_job *job);
fc_status fc_pool_rows_backward(fc_pool_job *job);
fc_status fc_pool_unpool(fc_pool_job *job);

/* One line of one chunk, forward, into y (unit step) and index (NULL: not wanted). */
void fc_pool_rows_line(const fc_pool_job *job, fc_pool_bench *bench, const fc_pool_line *line, void *y, int64_t *index,
                       int64_t index_step);

/* The general way for one row of outputs, forward, and for the planes [first, last) of dx: what a driver falls back on. */
void fc_pool_rows_output(const fc_pool_job *job, fc_pool_bench *bench, int64_t n, int64_t c, int64_t d, int64_t h);
void fc_pool_rows_planes(fc_pool_job *job, fc_pool_bench *bench, int64_t first, int64_t last);

fc_pool_plane fc_pool_plane_of(const int64_t *size, const int64_t *stride, int64_t lane);

#endif
