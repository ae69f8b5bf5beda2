/* pointwise.c: 1x1 convolution with unit stride as a matrix product, filters x channels times channels x pixels.
 *
 * Pixels of an image are one run (rows must follow each other in memory, in either layout). A task copies strips of
 * xr vectors of pixels into a panel [channels][strip], aligned and free of set conflicts, and multiplies them by mr
 * filters at a time; whole strips of a channels-first output are written where they belong, with no scratch between.
 * Channel blocks keep the panel in L1. Wins for every 1x1 layer; backward_data is the same product with the weights
 * read the other way. */
#include <stdlib.h>

#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16 };

typedef struct pointwise_plan {
    fc_correlation c;
    int64_t pixels, src_pixel, dst_pixel;
    int64_t width; /* pixels of a strip */
    int64_t strips, strips_per_task, strip_groups;
    int64_t filter_chunk, chunks;
    int64_t channel_block;
    int64_t panel_bytes;
    int32_t *off;
} pointwise_plan;

static void release_pointwise(fc_conv_plan *plan) {
    pointwise_plan *s = plan->state;
    if (!s) return;
    fc_correlation_release(&s->c);
    free(s->off);
    free(s);
}

/* The element distance between pixels if all of them form one run, else 0 (also for a view that repeats one pixel). */
static int64_t one_run(const int64_t size[FC_SPATIAL], const int64_t stride[FC_SPATIAL]) {
    int64_t distance = 0, count = 1;
    for (int a = FC_SPATIAL - 1; a >= 0; --a) {
        if (size[a] == 1) continue;
        if (stride[a] == 0) return 0;
        if (distance == 0) distance = stride[a];
        if (stride[a] != distance * count) return 0;
        count *= size[a];
    }
    return count == 1 ? 1 : distance;
}

static fc_status supports(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    if (d->pass == FC_BACKWARD_WEIGHTS) {
        plan->reason = "backward_weights is the direct row's";
        return FC_UNSUPPORTED;
    }
    for (int a = 0; a < FC_SPATIAL; ++a) {
        if (d->kernel[a] != 1 || d->stride[a] != 1 || d->pad[a] != 0 || d->in[a] != d->out[a]) {
            plan->reason = "the kernel is not 1x1 with stride 1 and no padding";
            return FC_UNSUPPORTED;
        }
    }
    if (plan->other_steps || !one_run(d->in, &d->x_stride[AXIS_D]) || !one_run(d->out, &d->y_stride[AXIS_D])) {
        plan->reason = plan->other_steps ? "this epilogue is not fused yet" : "rows do not follow each other in memory";
        return FC_UNSUPPORTED;
    }
    return FC_OK;
}

static fc_status plan_pointwise(fc_conv_plan *plan) {
    fc_status status = supports(plan);
    if (status != FC_OK) return status;
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    pointwise_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    const int forward = d->pass == FC_FORWARD;
    s->pixels = d->out[DEPTH] * d->out[HEIGHT] * d->out[WIDTH];
    s->src_pixel = one_run(d->in, forward ? &d->x_stride[AXIS_D] : &d->y_stride[AXIS_D]);
    s->dst_pixel = one_run(d->in, forward ? &d->y_stride[AXIS_D] : &d->x_stride[AXIS_D]);

    const int64_t vectors = fc_ceil_div(s->pixels, k->lanes);
    s->strips = fc_ceil_div(vectors, k->xr);
    s->width = fc_ceil_div(vectors, s->strips) * k->lanes;
    s->strips = fc_ceil_div(s->pixels, s->width);
    const int64_t images = fc_max(1, c->n * c->groups);
    s->strips_per_task = fc_max(1, fc_min(s->strips, s->strips * images / MIN_TASKS));
    s->strip_groups = fc_ceil_div(s->strips, s->strips_per_task);
    const int64_t tasks = images * s->strip_groups;
    const int64_t wanted = fc_max(1, fc_min(fc_ceil_div(MIN_TASKS, tasks), c->filters / (2 * k->mr)));
    s->filter_chunk = fc_ceil_div(fc_ceil_div(c->filters, wanted), k->mr) * k->mr;
    s->chunks = fc_ceil_div(c->filters, s->filter_chunk);

    const int64_t block = fc_max(32, fc_l1_bytes() / 2 / (s->width * (int64_t)k->element));
    s->channel_block = fc_ceil_div(c->channels, fc_ceil_div(c->channels, block));
    if (fc_capped_product(c->channels + s->filter_chunk, s->width) > INT32_MAX) return FC_UNSUPPORTED;
    s->off = malloc(sizeof(int32_t) * (size_t)s->channel_block);
    if (!s->off) return FC_NO_MEMORY;
    for (int64_t i = 0; i < s->channel_block; ++i) s->off[i] = (int32_t)(i * s->width);

    s->panel_bytes = (int64_t)fc_align_up((size_t)(c->channels * s->width) * k->element);
    plan->worker_bytes = s->panel_bytes + (int64_t)fc_align_up((size_t)(s->filter_chunk * s->width) * k->element);
    plan->packed_bytes = c->packed * (int64_t)k->element;
    const double lines = (double)(s->width / k->lanes), depth = (double)c->channels;
    const double strip_cycles =
        (double)s->chunks * depth * lines * 2 + (double)c->filters * lines * (depth / 2 + 2) + 100;
    plan->cost = (double)(c->n * c->groups * s->strips) * strip_cycles + (double)(c->groups * c->filters) * depth;
    plan->reason = "a matrix product over pixels; wins for 1x1 kernels";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const pointwise_plan *s;
    const void *src, *bias, *packed;
    void *dst;
    char *worker;
} job;

static fc_status pack_pointwise(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const pointwise_plan *s = plan->state;
    return fc_correlation_pack(&s->c, plan->kernels, w, packed, threads);
}

/* The filters of one chunk over one strip; out[f * ldc + q]. */
static void multiply(const job *j, const void *panel, int64_t first, int64_t filters, int64_t vectors, void *out,
                     int64_t ldc) {
    const pointwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    for (int64_t channel = 0; channel < c->channels; channel += s->channel_block) {
        const int64_t channels = fc_min(s->channel_block, c->channels - channel);
        const int last = channel + channels == c->channels;
        for (int64_t f = 0; f < filters; f += k->mr) {
            const int mr = (int)fc_min(k->mr, filters - f);
            fc_finish finish = j->plan->finish;
            if (j->bias) finish.bias = fc_at(j->bias, first + f, k->element);
            const void *w = fc_at(j->packed, fc_packed_at(c, c->phase, first + f) + channel * mr, k->element);
            k->corr[mr - 1][vectors - 1](channels, fc_at(panel, channel * s->width, k->element), s->off, w,
                                         fc_at(out, f * ldc, k->element), ldc, channel == 0, last ? &finish : NULL);
        }
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const pointwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = index;
    const int64_t chunk = t % s->chunks, strip_group = (t /= s->chunks) % s->strip_groups;
    const int64_t group = (t /= s->strip_groups) % c->groups, n = t / c->groups;
    const int64_t first = chunk * s->filter_chunk, filters = fc_min(s->filter_chunk, c->filters - first);
    const void *src = fc_at(j->src, n * c->src_n + group * c->src_group, k->element);
    void *dst = fc_at(j->dst, n * c->dst_n + group * c->dst_group + first * c->dst_channel, k->element);
    const int64_t src_channel = c->phase[0].source.channel_stride;
    char *panel = j->worker + worker * j->plan->worker_bytes, *scratch = panel + s->panel_bytes;

    const int64_t end = fc_min(s->pixels, (strip_group + 1) * s->strips_per_task * s->width);
    for (int64_t q = strip_group * s->strips_per_task * s->width; q < end; q += s->width) {
        const int64_t count = fc_min(s->width, s->pixels - q);
        k->block(panel, s->width, fc_at(src, q * s->src_pixel, k->element), src_channel, s->src_pixel, c->channels, 0,
                 count, s->width - count, 0);
        void *out = fc_at(dst, q * s->dst_pixel, k->element);
        if (count == s->width && s->dst_pixel == 1) {
            multiply(j, panel, group * c->filters + first, filters, s->width / k->lanes, out, c->dst_channel);
            continue;
        }
        multiply(j, panel, group * c->filters + first, filters, fc_ceil_div(count, k->lanes), scratch, s->width);
        for (int64_t f = 0; f < filters; ++f)
            k->scatter(fc_at(out, f * c->dst_channel, k->element), s->dst_pixel,
                       fc_at(scratch, f * s->width, k->element), count);
    }
}

static fc_status execute_pointwise(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const pointwise_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .worker = scratch->worker,
    };
    fc_parallel_for(s->c.n * s->c.groups * s->strip_groups * s->chunks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_pointwise = {"pointwise", plan_pointwise, pack_pointwise, execute_pointwise,
                                             release_pointwise};
