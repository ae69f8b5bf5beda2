/* depthwise_sums.c: backward_weights of one channel per group, in place.
 *
 * dw[o][i][j] is a sum over images and outputs of one plane of dy times one plane of x. The microkernels keep the sums
 * of all taps in registers while they pass over a plane (contiguous rows; any channel multiplier) or over rows of pixels
 * (contiguous channels, as many filters as channels); db comes along. A task owns a few channels and a fixed share
 * ("part") of the bands of rows of all images; parts are added in order. Parts follow from the shape alone, so the bits
 * do not depend on the number of threads. A value meets only the dy of windows that hold it. */
#include <stdlib.h>

#include "conv/depthwise.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MAX_ROWS = 32 };

typedef struct sums_plan {
    fc_source source;
    fc_axis axis[FC_SPATIAL];
    int by_pixel; /* lanes are channels */
    int64_t taps, *tap;
    int64_t width; /* filters of an item: 1, or those of a vector */
    int64_t items, items_per_task, item_tasks;
    int64_t item; /* elements of the sums of an item */
    int64_t band, bands, parts;
    int64_t part_bytes;
} sums_plan;

static void release_sums(fc_conv_plan *plan) {
    sums_plan *s = plan->state;
    if (!s) return;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s);
}

static int takes(const fc_conv_desc *d, int *by_pixel) {
    const int even = d->stride[HEIGHT] == d->stride[WIDTH] && d->kernel[HEIGHT] == d->kernel[WIDTH];
    const int undilated = d->dilation[HEIGHT] == 1 && d->dilation[WIDTH] == 1;
    if (d->pass != FC_BACKWARD_WEIGHTS || !fc_depthwise_in_place(d) || fc_plane_size(d->kernel[WIDTH]) < 0) return 0;
    if (d->stride[WIDTH] > FC_PLANE_STRIDES || (d->stride[WIDTH] > 1 && d->dilation[WIDTH] > 1)) return 0;
    *by_pixel = d->x_stride[AXIS_W] != 1 || d->y_stride[AXIS_W] != 1;
    if (!*by_pixel) return even && (d->stride[HEIGHT] == 1 || undilated);
    return d->x_stride[AXIS_C] == 1 && d->y_stride[AXIS_C] == 1 && d->ic == d->oc && d->kernel[HEIGHT] <= MAX_ROWS;
}

static fc_status plan_sums(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    int by_pixel;
    if (!takes(d, &by_pixel)) return FC_UNSUPPORTED;
    sums_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_axis *const axis[FC_SPATIAL] = {&s->axis[DEPTH], &s->axis[HEIGHT], &s->axis[WIDTH]};
    const fc_status status = fc_source_forward(&s->source, axis, d);
    if (status != FC_OK) return status;
    s->by_pixel = by_pixel;
    s->taps = d->kernel[HEIGHT] * d->kernel[WIDTH];
    s->tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    if (!s->tap) return FC_NO_MEMORY;
    fc_weight_taps(&s->source, &d->w_stride[2], s->tap);
    s->width = by_pixel ? k->lanes : 1;
    s->items = fc_ceil_div(d->oc, s->width);
    s->item = (s->taps + 1) * s->width;
    const int64_t reach = fc_depthwise_reach(d->kernel[HEIGHT], d->kernel[WIDTH], d->stride[WIDTH]);
    s->items_per_task = by_pixel ? fc_depthwise_chunk(d->oc, reach, k) / k->lanes
                                 : fc_max(1, fc_min(FC_DEPTHWISE_GROUPS, s->items / FC_DEPTHWISE_TASKS));
    s->item_tasks = fc_ceil_div(s->items, s->items_per_task);
    s->band = fc_depthwise_band(d->n * s->item_tasks, d->out[HEIGHT], by_pixel ? FC_PIXEL_ROWS : FC_DEPTHWISE_ROWS);
    s->bands = fc_ceil_div(d->out[HEIGHT], s->band);
    s->parts = fc_max(1, fc_min(fc_ceil_div(FC_DEPTHWISE_TASKS, s->item_tasks), d->n * s->bands));
    s->part_bytes = (int64_t)fc_align_up((size_t)(s->items * s->item) * k->element);
    plan->shared_bytes = s->parts * s->part_bytes;
    const double rows = (double)(d->n * d->out[HEIGHT]), columns = (double)d->out[WIDTH];
    const double vectors = by_pixel ? columns : (double)fc_ceil_div(d->out[WIDTH], k->lanes);
    const double loads = (double)(d->kernel[HEIGHT] * d->stride[WIDTH]) + 2;
    const double edges = by_pixel ? 0 : 2; /* the first and the last vector of a row are masked, at twice the price */
    plan->cost = (double)s->items * rows * ((vectors + edges) * ((double)s->taps + loads) * 0.4 + 8);
    plan->reason = "sums of all taps in registers, in place; wins for depthwise layers";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const sums_plan *s;
    const fc_conv_args *args;
    char *sums;
} job;

static void *sums_of(const job *j, int64_t part, int64_t item) {
    return fc_at(j->sums + part * j->s->part_bytes, item * j->s->item, j->plan->kernels->element);
}

/* Output rows first .. first + rows of filter o; rows of x that a dilation keeps apart are planes of their own. */
static void add_plane(const job *j, int64_t o, int64_t n, int64_t first, int64_t rows, void *sums) {
    const sums_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const fc_axis *h = &s->axis[HEIGHT], *w = &s->axis[WIDTH];
    const int64_t channel = o / (d->oc / d->groups), distance = fc_tap_distance(h), sets = fc_min(distance, rows);
    fc_plane plane = {.src = fc_at(j->args->x, n * d->x_stride[AXIS_N] + channel * d->x_stride[AXIS_C], k->element),
                      .height = d->in[HEIGHT],
                      .width = d->in[WIDTH],
                      .pitch = d->x_stride[AXIS_H],
                      .left = w->low,
                      .row_dilation = distance,
                      .dilation = fc_tap_distance(w),
                      .columns = d->out[WIDTH],
                      .out_pitch = d->y_stride[AXIS_H] * distance};
    const void *dy = fc_at(j->args->y, n * d->y_stride[AXIS_N] + o * d->y_stride[AXIS_C], k->element);
    for (int64_t set = 0; set < sets; ++set) {
        plane.top = h->low + (first + set) * h->step;
        plane.rows = fc_ceil_div(rows - set, distance);
        k->depthwise.plane_sums[fc_plane_size(w->taps)][w->step - 1](
            &plane, fc_at(dy, (first + set) * d->y_stride[AXIS_H], k->element), sums);
    }
}

/* One output row of the vectors item .. item + items of channels; columns that a dilation keeps apart are rows of their own. */
static void add_pixels(const job *j, int64_t item, int64_t items, int64_t n, int64_t r, void *sums) {
    const sums_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const fc_axis *h = &s->axis[HEIGHT], *w = &s->axis[WIDTH];
    const int64_t channel = item * k->lanes, distance = fc_tap_distance(w), sets = fc_min(distance, w->outputs);
    const void *x = fc_at(j->args->x, n * d->x_stride[AXIS_N] + channel, k->element), *rows[MAX_ROWS];
    const void *dy = fc_at(j->args->y, n * d->y_stride[AXIS_N] + channel + r * d->y_stride[AXIS_H], k->element);
    for (int64_t i = 0; i < h->taps; ++i) {
        const int64_t y = r * h->step + h->offset[i];
        rows[i] = y >= 0 && y < d->in[HEIGHT] ? fc_at(x, y * d->x_stride[AXIS_H], k->element) : NULL;
    }
    fc_pixels pixels = {.rows = rows,
                        .taps = h->taps,
                        .step = d->x_stride[AXIS_W],
                        .width = d->in[WIDTH],
                        .dilation = distance,
                        .out_step = d->y_stride[AXIS_W] * distance,
                        .channels = fc_min(items * k->lanes, d->oc - channel)};
    for (int64_t set = 0; set < sets; ++set) {
        pixels.left = w->low + set;
        pixels.columns = fc_ceil_div(w->outputs - set, distance);
        k->depthwise.pixels_sums[fc_plane_size(w->taps)][w->step - 1](
            &pixels, fc_at(dy, set * d->y_stride[AXIS_W], k->element), sums);
    }
}

/* Adds the parts of an item and writes its filters and biases. */
static void finish_item(const job *j, int64_t item) {
    const sums_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t stride = j->plan->desc.w_stride[0], first = item * s->width;
    const int64_t filters = fc_min(s->width, j->plan->desc.oc - first);
    void *sums = sums_of(j, 0, item);
    for (int64_t part = 1; part < s->parts; ++part) k->add(sums, 1, sums_of(j, part, item), s->item);
    for (int64_t t = 0; t < s->taps; ++t)
        k->scatter(fc_at(j->args->w, first * stride + s->tap[t], k->element), stride,
                   fc_at(sums, t * s->width, k->element), filters);
    if (j->args->bias)
        k->scatter(fc_at(j->args->bias, first, k->element), 1, fc_at(sums, s->taps * s->width, k->element), filters);
}

static void run_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const sums_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t part = index % s->parts, task = index / s->parts;
    const int64_t end = fc_min(s->items, (task + 1) * s->items_per_task);
    const int64_t bands = d->n * s->bands, begin = bands * part / s->parts, stop = bands * (part + 1) / s->parts;
    const int64_t together = s->by_pixel ? s->items_per_task : 1;
    for (int64_t item = task * s->items_per_task; item < end; item += together) {
        const int64_t items = fc_min(together, end - item);
        void *sums = sums_of(j, part, item);
        j->plan->kernels->fill(sums, 0, items * s->item);
        for (int64_t b = begin; b < stop; ++b) {
            const int64_t n = b / s->bands, first = b % s->bands * s->band;
            const int64_t rows = fc_min(s->band, d->out[HEIGHT] - first);
            if (s->by_pixel) {
                for (int64_t r = first; r < first + rows; ++r) add_pixels(j, item, items, n, r, sums);
            } else {
                add_plane(j, item, n, first, rows, sums);
            }
        }
        for (int64_t i = item; s->parts == 1 && i < item + items; ++i) finish_item(j, i);
    }
}

static fc_status execute_sums(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const sums_plan *s = plan->state;
    job j = {plan, s, args, scratch->shared};
    fc_parallel_for(s->item_tasks * s->parts, scratch->threads, run_task, &j);
    for (int64_t item = 0; s->parts > 1 && item < s->items; ++item) finish_item(&j, item);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_sums = {"sums", plan_sums, NULL, execute_sums, release_sums};
