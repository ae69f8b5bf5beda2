/* depthwise_lanes.c: forward and backward_data of one channel per group where rows are contiguous and maps small (channels
 * first).
 *
 * A task takes a vector of channels of one image: their planes are transposed into a padded tile [row][column][lanes] that
 * stays in L1 or L2, its rows of outputs are computed as those of channels last are (depthwise_rows.c), and the outputs
 * are transposed back, with the epilogue on the way. A tile of planes has two edges in every row, and both are half empty
 * on maps of 7 to 28 columns; here every lane works, for two transpositions. */
#include <stdlib.h>
#include <string.h>

#include "conv/depthwise.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MOST_BYTES = 128 << 10 }; /* of both tiles: within L2, with room for the caller's planes */

/* One side of the task: the caller's planes, and a tile with `left` columns of zeros before those of the planes. */
typedef struct side {
    int64_t stride[FC_AXES];
    int64_t rows, columns, left, width; /* width: of the tile */
} side;

typedef struct lanes_plan {
    fc_correlation c; /* from tile to tile */
    side src, dst;
    int64_t blocks, src_bytes; /* vectors of channels; bytes of the source's tile */
} lanes_plan;

static void release_lanes(fc_conv_plan *plan) {
    lanes_plan *s = plan->state;
    if (!s) return;
    fc_correlation_release(&s->c);
    free(s);
}

/* The correlation from tile to tile: no column outside the source's tile is read, and a phase of five to seven columns
 * computes a whole block of eight, because a half block waits for its own sums. */
static fc_conv_desc between_tiles(lanes_plan *s, const fc_conv_desc *d, int lanes) {
    const int forward = d->pass == FC_FORWARD;
    const int64_t stride = d->stride[WIDTH], pad = d->pad[WIDTH], span = (d->kernel[WIDTH] - 1) * d->dilation[WIDTH];
    const int64_t *src_size = forward ? d->in : d->out, *dst_size = forward ? d->out : d->in;
    side *src = &s->src, *dst = &s->dst;
    *src = (side){.rows = src_size[HEIGHT], .columns = src_size[WIDTH]};
    *dst = (side){.rows = dst_size[HEIGHT], .columns = dst_size[WIDTH]};
    memcpy(src->stride, forward ? d->x_stride : d->y_stride, sizeof src->stride);
    memcpy(dst->stride, forward ? d->y_stride : d->x_stride, sizeof dst->stride);
    const int64_t block = FC_PIXEL_OUTPUTS * (forward ? 1 : stride);
    dst->width = dst->columns > block / 2 && dst->columns < block ? block : dst->columns;
    int64_t last; /* column of the source that the last output reads */
    if (forward) {
        src->left = pad;
        last = (dst->width - 1) * stride + span - pad;
    } else {
        src->left = fc_max(0, fc_ceil_div(span - pad, stride));
        last = (dst->width - 1 + pad) / stride;
    }
    src->width = src->left + fc_max(src->columns, last + 1);

    fc_conv_desc tiles = *d;
    int64_t *src_stride = forward ? tiles.x_stride : tiles.y_stride;
    int64_t *dst_stride = forward ? tiles.y_stride : tiles.x_stride;
    src_stride[AXIS_C] = dst_stride[AXIS_C] = 1;
    src_stride[AXIS_W] = dst_stride[AXIS_W] = lanes;
    src_stride[AXIS_H] = src->width * lanes;
    dst_stride[AXIS_H] = dst->width * lanes;
    tiles.in[WIDTH] = forward ? src->width : dst->width;
    tiles.out[WIDTH] = forward ? dst->width : src->width;
    tiles.pad[WIDTH] = forward ? 0 : pad + src->left * stride;
    return tiles;
}

static fc_status plan_lanes(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass == FC_BACKWARD_WEIGHTS || d->oc != d->ic || !fc_depthwise_in_place(d)) return FC_UNSUPPORTED;
    if (d->x_stride[AXIS_W] != 1 || d->y_stride[AXIS_W] != 1) return FC_UNSUPPORTED;
    const int64_t position = k->lanes * (int64_t)k->element, most = MOST_BYTES / position;
    for (int a = HEIGHT; a <= WIDTH; ++a)
        if (d->stride[a] > most || d->in[a] > most || d->out[a] > most || d->pad[a] > most ||
            d->kernel[a] * d->dilation[a] > most)
            return FC_UNSUPPORTED;
    lanes_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    const fc_conv_desc tiles = between_tiles(s, d, k->lanes);
    const int64_t from = s->src.rows * s->src.width, planes = s->src.rows * s->src.columns;
    const int64_t to = s->dst.rows * s->dst.width;
    if (from + fc_max(to, planes) > most) return FC_UNSUPPORTED;
    const fc_status status = fc_correlation_init(&s->c, &tiles);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    double cycles = 0; /* measured on Zen 4, as those of planes */
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        const fc_axis *h = phase->source.axis[HEIGHT], *w = phase->source.axis[WIDTH];
        if (!fc_pixels_kernel(k, phase)) return FC_UNSUPPORTED;
        cycles +=
            (double)h->outputs * ((double)w->outputs * ((double)phase->taps * (w->step > 1 ? 1.2 : 0.75) + 2) + 20);
    }
    s->blocks = fc_ceil_div(d->groups, k->lanes);
    s->src_bytes = (int64_t)fc_align_up((size_t)(from * position));
    plan->worker_bytes = s->src_bytes + (int64_t)fc_align_up((size_t)(fc_max(to, planes) * position));
    plan->packed_bytes = c->packed * (int64_t)k->element;
    plan->cost = (double)(c->n * s->blocks) * (cycles + 4.3 * (double)(planes + to) + 150);
    plan->reason = "a vector of channels at a time, transposed; wins for depthwise layers of small maps";
    return FC_OK;
}

static fc_status pack_lanes(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    fc_pixels_pack(&((const lanes_plan *)plan->state)->c, plan->kernels, w, packed);
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const lanes_plan *s;
    const void *src, *bias, *residual, *packed;
    void *dst;
    char *worker;
} job;

/* The planes at src into the tile, by way of `stage`: whole planes in one go where their rows follow each other. */
static void enter(const job *j, const void *src, int64_t channels, void *stage, void *tile) {
    const fc_kernels *k = j->plan->kernels;
    const side *s = &j->s->src;
    const int whole = s->stride[AXIS_H] == s->columns;
    const int64_t rows = whole ? 1 : s->rows, run = whole ? s->rows * s->columns : s->columns;
    for (int64_t r = 0; r < rows; ++r)
        k->lanes_in(fc_at(stage, r * run * k->lanes, k->element), fc_at(src, r * s->stride[AXIS_H], k->element),
                    s->stride[AXIS_C], 1, channels, run);
    const size_t position = (size_t)k->lanes * k->element;
    const size_t left = (size_t)s->left * position, line = (size_t)s->columns * position;
    const size_t right = (size_t)s->width * position - left - line;
    char *to = tile;
    for (int64_t r = 0; r < s->rows; ++r, to += left + line + right) {
        memset(to, 0, left);
        memcpy(to + left, (const char *)stage + (size_t)r * line, line);
        memset(to + left + line, 0, right);
    }
}

/* The tile's outputs to the planes at dst, with the epilogue. */
static void leave(const job *j, void *dst, int64_t channels, void *tile, const fc_finish *all) {
    const fc_kernels *k = j->plan->kernels;
    const side *s = &j->s->dst;
    const int64_t *other = j->plan->desc.residual_stride;
    const size_t position = (size_t)k->lanes * k->element, line = (size_t)s->columns * position;
    for (int64_t r = 1; r < s->rows && s->width > s->columns; ++r)
        memmove((char *)tile + (size_t)r * line, (char *)tile + (size_t)(r * s->width) * position, line);
    const int whole =
        s->stride[AXIS_H] == s->columns && (!all->residual || other[AXIS_H] == s->columns * other[AXIS_W]);
    const int64_t rows = whole ? 1 : s->rows, run = whole ? s->rows * s->columns : s->columns;
    fc_finish finish = *all;
    finish.residual_channel = other[AXIS_C];
    finish.residual_step = other[AXIS_W];
    for (int64_t r = 0; r < rows; ++r) {
        if (all->residual) finish.residual = fc_at(all->residual, r * other[AXIS_H], k->element);
        k->lanes_out(fc_at(dst, r * s->stride[AXIS_H], k->element), s->stride[AXIS_C], 1,
                     fc_at(tile, r * run * k->lanes, k->element), k->lanes, channels, run, &finish);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const lanes_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t n = index / s->blocks, channel = index % s->blocks * k->lanes;
    const int64_t channels = fc_min(k->lanes, c->groups - channel);
    const int64_t *src_stride = s->src.stride, *dst_stride = s->dst.stride;
    char *from = j->worker + worker * j->plan->worker_bytes, *to = from + s->src_bytes;
    enter(j, fc_at(j->src, n * src_stride[AXIS_N] + channel * src_stride[AXIS_C], k->element), channels, to, from);
    const fc_finish none = {.activation = FC_IDENTITY};
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        const void *w = fc_at(j->packed, fc_packed_at(c, phase, channel), k->element);
        for (int64_t r = 0; r < phase->source.axis[HEIGHT]->outputs; ++r)
            fc_pixels_row(k, phase, r, from, w, to, channels, &none, NULL);
    }
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, channel, k->element);
    if (j->residual)
        finish.residual =
            fc_at(j->residual, n * d->residual_stride[AXIS_N] + channel * d->residual_stride[AXIS_C], k->element);
    leave(j, fc_at(j->dst, n * dst_stride[AXIS_N] + channel * dst_stride[AXIS_C], k->element), channels, to, &finish);
}

static fc_status execute_lanes(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const lanes_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
        .worker = scratch->worker,
    };
    fc_parallel_for(s->c.n * s->blocks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_lanes = {"lanes", plan_lanes, pack_lanes, execute_lanes, release_lanes};
