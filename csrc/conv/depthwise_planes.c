/* depthwise_planes.c: forward and backward_data of one channel per group where rows are contiguous (channels first).
 *
 * A task takes a band of rows of a few neighbouring channels of one image; every filter of a channel runs down its plane
 * (microkernels/depthwise_planes.h), reading the source and writing the outputs in place. A row dilation is that many
 * interleaved planes. backward_data of stride 1 is the same on the gradient with turned filters; of stride 2 it computes
 * the four phases of a place together. */
#include <stdlib.h>

#include "conv/depthwise.h"
#include "core/memory.h"
#include "core/parallel.h"

typedef struct planes_plan {
    fc_correlation c;
    fc_plane plane; /* of whole planes */
    fc_plane_fn run;
    int64_t taps, *tap; /* of the kernel as the microkernel reads it; borrowed from the phase unless spread */
    int64_t *own_tap;   /* of a spread */
    int64_t dst_row;
    int64_t row_step; /* of plane.top from one output row to the next */
    int64_t groups_per_task, group_blocks, band, bands;
} planes_plan;

static void release_planes(fc_conv_plan *plan) {
    planes_plan *s = plan->state;
    if (!s) return;
    free(s->own_tap);
    fc_correlation_release(&s->c);
    free(s);
}

static int takes(const fc_conv_desc *d) {
    const int undilated = d->dilation[HEIGHT] == 1 && d->dilation[WIDTH] == 1;
    return d->pass != FC_BACKWARD_WEIGHTS && fc_depthwise_in_place(d) && d->x_stride[AXIS_W] == 1 &&
           d->y_stride[AXIS_W] == 1 && fc_plane_size(d->kernel[WIDTH]) >= 0 && d->kernel[HEIGHT] == d->kernel[WIDTH] &&
           d->stride[HEIGHT] == d->stride[WIDTH] &&
           (d->stride[WIDTH] == 1 || (d->stride[WIDTH] == FC_PLANE_STRIDES && undilated));
}

/* The taps of a spread in their own order. */
static fc_status spread_taps(planes_plan *s, const fc_conv_desc *d) {
    s->own_tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    if (!s->own_tap) return FC_NO_MEMORY;
    const int64_t size = d->kernel[WIDTH];
    for (int64_t t = 0; t < s->taps; ++t) {
        const int64_t i = d->flip ? size - 1 - t / size : t / size, j = d->flip ? size - 1 - t % size : t % size;
        s->own_tap[t] = i * d->w_stride[AXIS_H] + j * d->w_stride[AXIS_W];
    }
    s->tap = s->own_tap;
    return FC_OK;
}

static fc_status plan_planes(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (!takes(d) || (plan->has_residual && d->residual_stride[AXIS_W] != 1)) return FC_UNSUPPORTED;
    planes_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    const fc_phase *phase = &c->phase[0];
    const int forward = d->pass == FC_FORWARD, spread = !forward && d->stride[WIDTH] > 1;
    const int64_t size = d->kernel[WIDTH], *dst_size = forward ? d->out : d->in, *src_size = forward ? d->in : d->out;
    s->dst_row = (forward ? d->y_stride : d->x_stride)[AXIS_H];
    s->taps = size * size;
    s->plane = (fc_plane){.height = src_size[HEIGHT],
                          .width = src_size[WIDTH],
                          .pitch = (forward ? d->x_stride : d->y_stride)[AXIS_H],
                          .rows = dst_size[HEIGHT],
                          .columns = dst_size[WIDTH]};
    double step; /* cycles for a vector of outputs, loads included */
    if (spread) {
        status = spread_taps(s, d);
        if (status != FC_OK) return status;
        s->run = k->depthwise.spread[fc_plane_size(size)];
        s->plane.top = d->pad[HEIGHT];
        s->plane.left = d->pad[WIDTH];
        s->plane.row_dilation = s->plane.dilation = s->row_step = 1;
        step = (double)s->taps / 4 + (double)size / 2 + 2;
    } else {
        const fc_axis *h = phase->source.axis[HEIGHT], *w = phase->source.axis[WIDTH];
        s->run = k->depthwise.plane[fc_plane_size(size)][w->step - 1];
        s->tap = phase->tap;
        s->row_step = h->step;
        s->plane.top = h->low;
        s->plane.left = w->low;
        s->plane.row_dilation = fc_tap_distance(h);
        s->plane.dilation = fc_tap_distance(w);
        /* the weights of a 3x3 kernel stay in registers, those of larger ones are loads */
        step = (double)s->taps * (size == 3 ? 0.6 : 0.7) + (double)size * 0.3 + (w->step > 1 ? 7 : 2.6);
    }
    s->groups_per_task = fc_max(1, fc_min(FC_DEPTHWISE_GROUPS, c->n * c->groups / FC_DEPTHWISE_TASKS));
    s->group_blocks = fc_ceil_div(c->groups, s->groups_per_task);
    s->band = fc_depthwise_band(c->n * s->group_blocks, s->plane.rows, FC_DEPTHWISE_ROWS);
    s->bands = fc_ceil_div(s->plane.rows, s->band);
    plan->shared_bytes = (int64_t)fc_align_up((size_t)s->plane.width * k->element);
    plan->packed_bytes = c->groups * c->filters * s->taps * (int64_t)k->element;
    const double vectors = (double)fc_ceil_div(s->plane.columns, k->lanes), edges = vectors < 2 ? vectors : 2;
    const double rows = (double)(fc_ceil_div(s->plane.rows, 4) * 4); /* a tile has four */
    plan->cost = (double)(c->n * c->groups * c->filters) * ((vectors + 0.6 * edges) * rows * step + 200);
    plan->reason = "one channel at a time, in place; wins for depthwise layers";
    return FC_OK;
}

/* Each filter's taps in turn; filters that follow each other evenly through all groups are packed in one go. */
static fc_status pack_planes(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const planes_plan *s = plan->state;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    const int even = c->w_group == c->filters * c->w_filter;
    const int64_t runs = even ? 1 : c->groups, filters = even ? c->groups * c->filters : c->filters;
    for (int64_t g = 0; g < runs; ++g)
        k->pack(fc_at(packed, g * filters * s->taps, k->element), 1, fc_at(w, g * c->w_group, k->element), 0,
                c->w_filter, filters, s->tap, s->taps);
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const planes_plan *s;
    const void *src, *bias, *residual, *packed;
    void *dst;
    const void *zeros;
} job;

/* The rows first .. first + rows of one filter, one set of rows of the source after another. */
static void run_band(const job *j, const void *src, const void *w, void *dst, int64_t first, int64_t rows,
                     const fc_finish *all) {
    const planes_plan *s = j->s;
    const size_t size = j->plan->kernels->element;
    const int64_t residual_row = j->plan->desc.residual_stride[AXIS_H];
    fc_finish finish = *all;
    const int64_t sets = fc_min(s->plane.row_dilation, rows);
    fc_plane plane = s->plane;
    plane.src = src;
    plane.zeros = j->zeros;
    plane.out_pitch = s->dst_row * s->plane.row_dilation;
    plane.residual_pitch = residual_row * s->plane.row_dilation;
    for (int64_t set = 0; set < sets; ++set) {
        plane.top = s->plane.top + (first + set) * s->row_step;
        plane.rows = fc_ceil_div(rows - set, s->plane.row_dilation);
        if (all->residual) finish.residual = fc_at(all->residual, (first + set) * residual_row, size);
        s->run(&plane, w, fc_at(dst, (first + set) * s->dst_row, size), &finish);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const planes_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const size_t size = j->plan->kernels->element;
    const int64_t band = index % s->bands, block = index / s->bands % s->group_blocks;
    const int64_t n = index / s->bands / s->group_blocks;
    const int64_t first = band * s->band, rows = fc_min(s->band, s->plane.rows - first);
    const int64_t end = fc_min(c->groups, (block + 1) * s->groups_per_task);
    const int64_t *other = j->plan->desc.residual_stride;
    fc_finish finish = j->plan->finish;
    for (int64_t g = block * s->groups_per_task; g < end; ++g) {
        for (int64_t f = 0; f < c->filters; ++f) {
            const int64_t filter = g * c->filters + f;
            if (j->bias) finish.bias = fc_at(j->bias, filter, size);
            if (j->residual) finish.residual = fc_at(j->residual, n * other[AXIS_N] + filter * other[AXIS_C], size);
            run_band(j, fc_at(j->src, n * c->src_n + g * c->src_group, size), fc_at(j->packed, filter * s->taps, size),
                     fc_at(j->dst, n * c->dst_n + g * c->dst_group + f * c->dst_channel, size), first, rows, &finish);
        }
    }
}

static fc_status execute_planes(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const planes_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
        .zeros = scratch->shared,
    };
    plan->kernels->fill(scratch->shared, 0, s->plane.width);
    fc_parallel_for(s->c.n * s->group_blocks * s->bands, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_planes = {"planes", plan_planes, pack_planes, execute_planes, release_planes};
