/* local_response.c: local response normalisation, forward and backward. With channels first a window is some rows of
 * pixels, and the windows of a row are one call of the kernel; with channels last it is some neighbours, and the windows
 * that are whole are one call. A task is some pixels through all channels. */
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"
#include "microkernels/kernels.h"

/* Elements of a task, which stay in the second cache; its pixels are whole lines of memory; work that is not worth a second
 * thread. */
enum { TASK = 1 << 14, LINE = 16, SERIAL_BELOW = 1 << 13 };

typedef struct job {
    const fc_kernels *kernels;
    fc_response by;
    int64_t n, channels, points, before, after;
    int last;              /* channels */
    int64_t pixels, parts; /* of a task; tasks of an image with channels first */
    const void *x, *dy;    /* dy: backward */
    void *out;
    void *ratios; /* those of a task, for each worker; NULL in forward */
} job;

/* Pixels that are neighbours, `count` of them; one with channels last. */
typedef struct part {
    int64_t first, count;
    void *ratio;
    int64_t ratio_step; /* from channel to channel */
} part;

/* The outputs of channel c, or with channels last those up to the last whole window; returns how many channels. */
static int64_t outputs(const job *j, const part *p, int64_t c, int64_t before, int64_t after, int through) {
    const fc_kernels *k = j->kernels;
    const int64_t low = fc_max(0, c - before), high = fc_min(j->channels, c + after + 1);
    const int64_t run = j->last && c >= before ? fc_max(1, j->channels - after - c) : 1;
    const int64_t count = j->last ? run : p->count, at = p->first + c * j->points;
    const void *x = fc_at(j->x, at, k->element);
    void *out = fc_at(j->out, at, k->element);
    if (through) {
        k->response_through(&j->by, high - low, p->ratio_step, count, fc_at(p->ratio, low * p->ratio_step, k->element),
                            x, out);
    } else {
        k->response(&j->by, high - low, j->points, count, fc_at(j->x, p->first + low * j->points, k->element), x,
                    j->dy ? fc_at(j->dy, at, k->element) : x, out,
                    p->ratio ? fc_at(p->ratio, c * p->ratio_step, k->element) : NULL);
    }
    return run;
}

static void run_part(const job *j, const part *p) {
    for (int64_t c = 0; c < j->channels;) c += outputs(j, p, c, j->before, j->after, 0);
    for (int64_t c = 0; j->dy && c < j->channels;) c += outputs(j, p, c, j->after, j->before, 1);
}

static void task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    void *ratio = j->ratios ? fc_at(j->ratios, worker * j->pixels * j->channels, j->kernels->element) : NULL;
    if (j->last) {
        const int64_t end = fc_min(j->n, (index + 1) * j->pixels);
        for (int64_t n = index * j->pixels; n < end; ++n) run_part(j, &(part){n * j->channels, 1, ratio, 1});
        return;
    }
    const int64_t from = index % j->parts * j->pixels, count = fc_min(j->pixels, j->points - from);
    run_part(j, &(part){index / j->parts * j->channels * j->points + from, count, ratio, count});
}

fc_status fc_local_response(const fc_response_desc *d, const void *x, const void *dy, void *out, int threads) {
    if (d->struct_size != sizeof *d || d->n < 0 || d->channels < 0 || d->points < 0 || d->size < 1) return FC_INVALID;
    job j = {.kernels = fc_kernels_for(fc_isa(), d->type), .by = {d->share, d->k, d->beta}};
    if (!j.kernels) return FC_UNSUPPORTED;
    if (d->n == 0 || d->channels == 0 || d->points == 0) return FC_OK;
    if (!x || !out) return FC_INVALID;
    j.n = d->n, j.channels = d->channels, j.points = d->points, j.last = d->points == 1;
    j.before = d->size / 2, j.after = (d->size - 1) / 2;
    j.x = x, j.dy = dy, j.out = out;
    const int64_t pixels = fc_max(1, TASK / d->channels);
    j.pixels = j.last ? fc_min(pixels, d->n) : fc_min(fc_ceil_div(pixels, LINE) * LINE, d->points);
    j.parts = j.last ? 1 : fc_ceil_div(d->points, j.pixels);
    const int64_t tasks = j.last ? fc_ceil_div(d->n, j.pixels) : d->n * j.parts;
    const int serial = (double)d->n * (double)d->channels * (double)d->points < SERIAL_BELOW;
    const int workers = fc_workers(tasks, serial ? 1 : threads);
    if (dy) {
        j.ratios = fc_scratch_acquire((size_t)(workers * j.pixels * d->channels) * j.kernels->element);
        if (!j.ratios) return FC_NO_MEMORY;
    }
    fc_parallel_for(tasks, workers, task, &j);
    if (dy) fc_scratch_release(j.ratios);
    return FC_OK;
}
