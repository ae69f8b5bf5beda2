/* reference.c: the definition as loops over any strides, types, borders and epilogues, summed in double. It is the
 * last row of the list, takes everything, and is what the fast rows are tested against from C. One task per (image,
 * channel) of the tensor that is written, so every element is summed by one thread in one order. */
#include <math.h>

#include "conv/geometry.h"
#include "conv/plan.h"
#include "core/parallel.h"

static double load(const void *base, int64_t i, fc_dtype type) {
    return type == FC_FLOAT32 ? (double)((const float *)base)[i] : ((const double *)base)[i];
}

static void store(void *base, int64_t i, fc_dtype type, double value) {
    if (type == FC_FLOAT32) {
        ((float *)base)[i] = (float)value;
    } else {
        ((double *)base)[i] = value;
    }
}

typedef struct job {
    const fc_conv_plan *plan;
    const fc_conv_args *args;
} job;

static double activate(double v, fc_activation kind, double slope) {
    switch (kind) {
    case FC_RELU:
        return v < 0 ? 0 : v;
    case FC_RELU6:
        return v < 0 ? 0 : v > 6 ? 6 : v;
    case FC_LEAKY_RELU:
        return v < 0 ? v * slope : v;
    default:
        return v;
    }
}

static double epilogue(const job *j, double v, int64_t channel, int64_t residual_index) {
    const fc_conv_desc *d = &j->plan->desc;
    for (int e = 0; e < d->epilogue_count; ++e) {
        const fc_epilogue *step = &d->epilogue[e];
        switch (step->kind) {
        case FC_BIAS:
            v += load(j->args->bias, channel, d->output_type);
            break;
        case FC_SCALE:
            v *= step->parameter;
            break;
        case FC_RESIDUAL:
            v += load(j->args->residual, residual_index, d->output_type);
            break;
        case FC_ACTIVATE:
            v = activate(v, step->activation, step->parameter);
            break;
        case FC_POOL2X2:
            break;
        }
    }
    return v;
}

static int64_t weight_index(const fc_conv_desc *d, int64_t o, int64_t c, const int64_t k[FC_SPATIAL]) {
    int64_t at = o * d->w_stride[0] + c * d->w_stride[1];
    for (int a = 0; a < FC_SPATIAL; ++a) at += (d->flip ? d->kernel[a] - 1 - k[a] : k[a]) * d->w_stride[2 + a];
    return at;
}

/* Index of x[n, c, p*stride + k*dilation - pad] or -1 where the border is a constant. */
static int64_t source_index(const fc_conv_desc *d, int64_t n, int64_t c, const int64_t p[], const int64_t k[]) {
    int64_t at = n * d->x_stride[AXIS_N] + c * d->x_stride[AXIS_C];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const int64_t i = fc_border_index(d->border, p[a] * d->stride[a] + k[a] * d->dilation[a] - d->pad[a], d->in[a]);
        if (i < 0) return INT64_MIN;
        at += i * d->x_stride[AXIS_D + a];
    }
    return at;
}

#define FOR3(i, limit)                                                                                                 \
    for (int64_t i[3] = {0, 0, 0}; i[0] < (limit)[0]; ++i[0])                                                          \
        for (i[1] = 0; i[1] < (limit)[1]; ++i[1])                                                                      \
            for (i[2] = 0; i[2] < (limit)[2]; ++i[2])

static int64_t position(const int64_t *stride, int64_t n, int64_t c, const int64_t p[]) {
    return n * stride[0] + c * stride[1] + p[0] * stride[2] + p[1] * stride[3] + p[2] * stride[4];
}

/* One output after its epilogue, but for the pool. */
static double output(const job *j, int64_t n, int64_t o, const int64_t p[]) {
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t icg = d->ic / d->groups, c0 = o / (d->oc / d->groups) * icg;
    double sum = 0;
    for (int64_t c = 0; c < icg; ++c) {
        FOR3(k, d->kernel) {
            const int64_t at = source_index(d, n, c0 + c, p, k);
            sum += (at == INT64_MIN ? d->border_value : load(j->args->x, at, d->input_type)) *
                   load(j->args->w, weight_index(d, o, c, k), d->weight_type);
        }
    }
    return epilogue(j, sum, o, position(d->residual_stride, n, o, p));
}

/* y[n,o,p]: an output, or the largest of 2x2, a NaN if there is one. */
static void forward(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t n = index / d->oc, o = index % d->oc, side = j->plan->pool2 ? 2 : 1;
    const int64_t size[] = {d->out[0], d->out[1] / side, d->out[2] / side};
    FOR3(p, size) {
        double best = -INFINITY;
        for (int64_t i = 0; i < side * side; ++i) {
            const int64_t at[] = {p[0], p[1] * side + i / side, p[2] * side + i % side};
            const double v = output(j, n, o, at);
            best = v > best || isnan(v) ? v : best;
        }
        store(j->args->y, position(d->y_stride, n, o, p), d->output_type, best);
    }
}

/* dx[n,c,i]: the sum over the outputs that read input i, found by solving p*stride = i + pad - k*dilation. */
static double input_gradient(const job *j, int64_t n, int64_t c, const int64_t i[]) {
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t icg = d->ic / d->groups, ocg = d->oc / d->groups, g = c / icg;
    double sum = 0;
    FOR3(k, d->kernel) {
        int64_t p[FC_SPATIAL];
        int reads = 1;
        for (int a = 0; a < FC_SPATIAL; ++a) {
            const int64_t numerator = i[a] + d->pad[a] - k[a] * d->dilation[a];
            p[a] = numerator / d->stride[a];
            reads = reads && numerator >= 0 && numerator % d->stride[a] == 0 && p[a] < d->out[a];
        }
        if (!reads) continue;
        for (int64_t o = g * ocg; o < (g + 1) * ocg; ++o)
            sum += load(j->args->y, position(d->y_stride, n, o, p), d->output_type) *
                   load(j->args->w, weight_index(d, o, c - g * icg, k), d->weight_type);
    }
    return sum;
}

static void backward_data(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t n = index / d->ic, c = index % d->ic;
    FOR3(i, d->in) {
        store(j->args->x, position(d->x_stride, n, c, i), d->input_type,
              epilogue(j, input_gradient(j, n, c, i), c, position(d->residual_stride, n, c, i)));
    }
}

/* dw[o,c,k] and db[o] */
static void backward_weights(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t icg = d->ic / d->groups, o = index / icg, c = index % icg, c0 = o / (d->oc / d->groups) * icg;
    FOR3(k, d->kernel) {
        double sum = 0;
        for (int64_t n = 0; n < d->n; ++n) {
            FOR3(p, d->out) {
                const int64_t at = source_index(d, n, c0 + c, p, k);
                sum += (at == INT64_MIN ? d->border_value : load(j->args->x, at, d->input_type)) *
                       load(j->args->y, position(d->y_stride, n, o, p), d->output_type);
            }
        }
        store(j->args->w, weight_index(d, o, c, k), d->weight_type, sum);
    }
    if (c == 0 && j->args->bias) {
        double sum = 0;
        for (int64_t n = 0; n < d->n; ++n)
            FOR3(p, d->out) sum += load(j->args->y, position(d->y_stride, n, o, p), d->output_type);
        store(j->args->bias, o, d->weight_type, sum);
    }
}

/* Index arithmetic and a double multiply-add per tap; backward_data tries every tap for every input. */
static const double cycles_per_mac = 40, cycles_per_try = 10;

static fc_status plan_reference(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    plan->reason = "plain loops: takes everything, wins nothing";
    plan->cost = plan->macs * cycles_per_mac + 1000;
    if (d->pass == FC_BACKWARD_DATA) {
        double tries = (double)d->n * (double)d->ic;
        for (int a = 0; a < FC_SPATIAL; ++a) tries *= (double)d->in[a] * (double)d->kernel[a];
        plan->cost += tries * cycles_per_try;
    }
    return FC_OK;
}

static fc_status execute_reference(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fc_conv_desc *d = &plan->desc;
    job j = {plan, args};
    static const fc_task tasks[] = {
        [FC_FORWARD] = forward, [FC_BACKWARD_DATA] = backward_data, [FC_BACKWARD_WEIGHTS] = backward_weights};
    const int64_t counts[] = {[FC_FORWARD] = d->n * d->oc,
                              [FC_BACKWARD_DATA] = d->n * d->ic,
                              [FC_BACKWARD_WEIGHTS] = d->oc * (d->ic / d->groups)};
    fc_parallel_for(counts[d->pass], scratch->threads, tasks[d->pass], &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_reference = {"reference", plan_reference, NULL, execute_reference, NULL};
