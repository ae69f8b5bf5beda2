/* fold.c: dx through a border that copies, one image at a time.
 *
 * The plan's descriptor becomes that of the padded image, which the algorithm writes into scratch as if nothing were
 * padded. Each channel is then cleared and summed line by line: the part of a line inside the image in one go, the rest
 * element by element. A channel is one task and adds in a fixed order, so the bits do not depend on the threads. */
#include "conv/fold.h"

#include <stdlib.h>
#include <string.h>

#include "conv/geometry.h"
#include "core/memory.h"
#include "core/parallel.h"

struct fc_fold {
    fc_conv_desc desc; /* what the caller asked for */
    int64_t extent[FC_SPATIAL];
    int64_t bytes;
};

static int64_t extent_of(const fc_conv_desc *d, int a) {
    return (d->out[a] - 1) * d->stride[a] + (d->kernel[a] - 1) * d->dilation[a] + 1;
}

static int reads_border(const fc_conv_desc *d) {
    int reads = 0;
    for (int a = 0; a < FC_SPATIAL; ++a) reads = reads || d->pad[a] > 0 || extent_of(d, a) > d->in[a];
    return reads;
}

fc_status fc_fold_create(fc_conv_plan *plan) {
    fc_conv_desc *d = &plan->desc;
    if (d->pass != FC_BACKWARD_DATA || d->border == FC_CONSTANT) return FC_OK;
    if (!reads_border(d)) {
        d->border = FC_CONSTANT;
        return FC_OK;
    }
    if (d->epilogue_count > 0) {
        plan->reason = "an epilogue after the gradient of a border is not supported";
        return FC_UNSUPPORTED;
    }
    fc_fold *fold = calloc(1, sizeof *fold);
    if (!fold) return FC_NO_MEMORY;
    plan->fold = fold;
    fold->desc = *d;
    int64_t elements = d->ic;
    for (int a = FC_SPATIAL - 1; a >= 0; --a) {
        fold->extent[a] = extent_of(d, a);
        d->in[a] = fold->extent[a];
        d->pad[a] = 0;
        d->x_stride[AXIS_D + a] = a == WIDTH ? 1 : d->x_stride[AXIS_D + a + 1] * d->in[a + 1];
        if (__builtin_mul_overflow(elements, fold->extent[a], &elements)) return FC_OVERFLOW;
    }
    if (elements > INT64_MAX / 4 / (int64_t)plan->kernels->element) return FC_OVERFLOW;
    d->x_stride[AXIS_C] = d->x_stride[AXIS_D] * d->in[DEPTH];
    d->x_stride[AXIS_N] = 0;
    d->n = 1;
    d->border = FC_CONSTANT;
    fold->bytes = (int64_t)fc_align_up((size_t)elements * plan->kernels->element);
    return FC_OK;
}

void fc_fold_destroy(fc_fold *fold) { free(fold); }

int64_t fc_fold_bytes(const fc_fold *fold) { return fold ? fold->bytes : 0; }

int64_t fc_fold_images(const fc_conv_plan *plan) { return plan->fold ? plan->fold->desc.n : plan->desc.n; }

typedef struct job {
    const fc_conv_plan *plan;
    const void *padded;
    void *dx;
} job;

/* dx[c] = sum of the padded positions that read each element, one line of the padded image at a time. */
static void fold_channel(void *ctx, int64_t channel, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_kernels *k = j->plan->kernels;
    const fc_fold *fold = j->plan->fold;
    const fc_conv_desc *d = &fold->desc;
    const int64_t *stride = &d->x_stride[AXIS_D], *extent = fold->extent;
    void *dx = fc_at(j->dx, channel * d->x_stride[AXIS_C], k->element);
    const int64_t run = stride[WIDTH] == 1 ? d->in[WIDTH] : 1;
    for (int64_t z = 0; z < d->in[DEPTH]; ++z)
        for (int64_t y = 0; y < d->in[HEIGHT]; ++y)
            for (int64_t x = 0; x < d->in[WIDTH]; x += run)
                k->fill(fc_at(dx, z * stride[DEPTH] + y * stride[HEIGHT] + x * stride[WIDTH], k->element), 0, run);

    const int64_t inside = fc_min(d->pad[WIDTH], extent[WIDTH]);
    const int64_t end = fc_max(inside, fc_min(extent[WIDTH], d->pad[WIDTH] + d->in[WIDTH]));
    for (int64_t z = 0; z < extent[DEPTH]; ++z) {
        const int64_t at_z = fc_border_index(d->border, z - d->pad[DEPTH], d->in[DEPTH]) * stride[DEPTH];
        for (int64_t y = 0; y < extent[HEIGHT]; ++y) {
            const int64_t at_y = fc_border_index(d->border, y - d->pad[HEIGHT], d->in[HEIGHT]) * stride[HEIGHT];
            void *row = fc_at(dx, at_z + at_y, k->element);
            const void *from =
                fc_at(j->padded, ((channel * extent[DEPTH] + z) * extent[HEIGHT] + y) * extent[WIDTH], k->element);
            k->add(row, stride[WIDTH], fc_at(from, inside, k->element), end - inside);
            for (int64_t x = inside > 0 ? 0 : end; x < extent[WIDTH]; x = x + 1 == inside ? end : x + 1) {
                const int64_t to = fc_border_index(d->border, x - d->pad[WIDTH], d->in[WIDTH]) * stride[WIDTH];
                k->add(fc_at(row, to, k->element), 1, fc_at(from, x, k->element), 1);
            }
        }
    }
}

fc_status fc_fold_execute(const fc_conv_plan *plan, const fc_conv_algorithm *algorithm, const fc_conv_args *args,
                          const fc_conv_scratch *scratch, void *padded) {
    const fc_conv_desc *d = &plan->fold->desc;
    for (int64_t n = 0; n < d->n; ++n) {
        fc_conv_args image = *args;
        image.x = padded;
        image.y = fc_at(args->y, n * d->y_stride[AXIS_N], plan->kernels->element);
        const fc_status status = algorithm->execute(plan, &image, scratch);
        if (status != FC_OK) return status;
        job j = {plan, padded, fc_at(args->x, n * d->x_stride[AXIS_N], plan->kernels->element)};
        fc_parallel_for(d->ic, scratch->threads, fold_channel, &j);
    }
    return FC_OK;
}
