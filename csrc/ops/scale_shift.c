/* scale_shift.c: y = activation(x * scale + shift + residual) in one pass, with coefficients of channels.
 *
 * The elements are one run of memory, cut into tasks of equal length wherever channels begin; a task walks through the
 * planes, or the pixels, that its part of the run meets. */
#include "core/cpu.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

enum {
    TASK = 1 << 14,         /* elements */
    PIECE_BYTES = 1 << 14,  /* of results that are written past the caches */
    SERIAL_BELOW = 1 << 15, /* elements that are not worth a second thread */
};

typedef struct job {
    const fc_kernels *kernels;
    int way;
    int64_t channels, points, total; /* points: of an image, with pixels; of a plane, with planes */
    int scale_by_image, shift_by_image;
    const void *x, *scale, *shift, *residual;
    void *y;
    fc_norm_scale by; /* all but the coefficients */
    char *staging;    /* a piece for each worker, or NULL */
    int64_t piece;    /* elements */
} job;

static const void *at(const job *j, const void *base, int64_t elements) {
    return base ? fc_at(base, elements, j->kernels->element) : NULL;
}

/* Elements e on, rows of them, to `to`. */
static void apply(const job *j, const fc_norm_rows *rows, int64_t image, int64_t channel, int64_t e, void *to) {
    fc_norm_scale by = j->by;
    by.scale = at(j, j->scale, channel + (j->scale_by_image ? image * j->channels : 0));
    by.shift = at(j, j->shift, channel + (j->shift_by_image ? image * j->channels : 0));
    j->kernels->norm.apply[j->way](rows, &by, at(j, j->x, e), at(j, j->residual, e), to);
}

/* Writes elements from .. end of the run to `out`. */
static void write_planes(const job *j, int64_t from, int64_t end, void *out) {
    for (int64_t e = from; e < end;) {
        const int64_t plane = e / j->points, count = fc_min(end, (plane + 1) * j->points) - e;
        apply(j, &(fc_norm_rows){1, count, 0}, plane / j->channels, plane % j->channels, e,
              fc_at(out, e - from, j->kernels->element));
        e += count;
    }
}

static void write_pixels(const job *j, int64_t from, int64_t end, void *out) {
    for (int64_t e = from; e < end;) {
        const int64_t pixel = e / j->channels, channel = e % j->channels, image = pixel / j->points;
        const int64_t whole = channel ? 0 : fc_min((end - e) / j->channels, (image + 1) * j->points - pixel);
        const fc_norm_rows rows = {fc_max(1, whole), whole ? j->channels : fc_min(j->channels - channel, end - e),
                                   j->channels};
        apply(j, &rows, image, channel, e, fc_at(out, e - from, j->kernels->element));
        e += rows.rows * rows.count;
    }
}

static void write_run(const job *j, int64_t from, int64_t end, void *out) {
    if (j->way == FC_NORM_PIXELS) {
        write_pixels(j, from, end, out);
    } else {
        write_planes(j, from, end, out);
    }
}

static void task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t from = index * TASK, end = fc_min(from + TASK, j->total), element = (int64_t)j->kernels->element;
    if (!j->staging) {
        write_run(j, from, end, fc_at(j->y, from, j->kernels->element));
        return;
    }
    char *piece = j->staging + worker * PIECE_BYTES;
    for (int64_t e = from; e < end; e += j->piece) {
        const int64_t count = fc_min(j->piece, end - e);
        write_run(j, e, e + count, piece);
        j->kernels->pool.stream(fc_at(j->y, e, j->kernels->element), piece, count * element);
    }
    j->kernels->pool.stream_end();
}

/* Without coefficients there is one plane; pixels of images that share all coefficients are those of one image. */
static void cut(job *j, const fc_scale_desc *d) {
    const int by_image = (j->scale && d->scale_by_image) || (j->shift && d->shift_by_image);
    j->total = d->n * d->channels * d->points;
    j->way = d->channels_last || d->points == 1 ? FC_NORM_PIXELS : FC_NORM_PLANES;
    j->channels = d->channels, j->points = d->points;
    if (!j->scale && !j->shift) {
        j->way = FC_NORM_PLANES, j->channels = 1, j->points = j->total;
    } else if (j->way == FC_NORM_PIXELS && !by_image) {
        j->points = d->n * d->points;
    }
}

fc_status fc_scale_shift(const fc_scale_desc *d, const void *x, const void *scale, const void *shift,
                         const void *residual, void *y, int threads) {
    if (d->struct_size != sizeof *d || d->n < 0 || d->channels < 0 || d->points < 0 || d->activation < FC_IDENTITY ||
        d->activation > FC_LEAKY_RELU)
        return FC_INVALID;
    job j = {.kernels = fc_kernels_for(fc_isa(), d->type), .x = x, .scale = scale, .shift = shift};
    if (!j.kernels) return FC_UNSUPPORTED;
    if (d->n == 0 || d->channels == 0 || d->points == 0) return FC_OK;
    if (!x || !y) return FC_INVALID;
    j.residual = residual, j.y = y;
    j.scale_by_image = d->scale_by_image, j.shift_by_image = d->shift_by_image;
    j.by = (fc_norm_scale){.activation = d->activation, .parameter = d->parameter};
    cut(&j, d);
    const int64_t element = (int64_t)j.kernels->element, tasks = fc_ceil_div(j.total, TASK);
    const int workers = fc_workers(tasks, j.total < SERIAL_BELOW ? 1 : threads);
    void *block = NULL;
    if (y != x && y != residual && j.total >= fc_l3_bytes() / element) {
        j.piece = PIECE_BYTES / element;
        block = j.staging = fc_scratch_acquire((size_t)workers * PIECE_BYTES);
        if (!block) return FC_NO_MEMORY;
    }
    fc_parallel_for(tasks, workers, task, &j);
    if (block) fc_scratch_release(block);
    return FC_OK;
}
