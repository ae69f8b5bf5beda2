/* plan.c: checks a descriptor, asks every row of the list, keeps the cheapest, and runs it with scratch from the
 * caller or the pool. The choice looks at the descriptor, the ISA and the cache sizes only, so the same question has
 * the same answer in every run and for every number of threads. */
#include "conv/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conv/fold.h"
#include "core/memory.h"
#include "core/parallel.h"

#define FC_CONV_ALGORITHM(name) extern const fc_conv_algorithm fc_conv_##name;
#include "conv/algorithms.inc"
#undef FC_CONV_ALGORITHM

static const fc_conv_algorithm *const algorithms[] = {
#define FC_CONV_ALGORITHM(name) &fc_conv_##name,
#include "conv/algorithms.inc"
#undef FC_CONV_ALGORITHM
};
enum { ROWS = sizeof algorithms / sizeof *algorithms };

/* Below this many predicted cycles a thread costs more than it brings (a parallel region is a few microseconds). */
static const double cycles_per_thread = 12500;

int fc_conv_algorithm_count(void) { return ROWS; }

const char *fc_conv_algorithm_name(int row) { return row >= 0 && row < ROWS ? algorithms[row]->name : "none"; }

static int multiply(int64_t *product, int64_t factor) { return !__builtin_mul_overflow(*product, factor, product); }

/* Sizes that make no sense are invalid; products that cannot be counted overflow. With one output along an axis
 * the stride means nothing and becomes 1; a gradient keeps it up to the kernel's reach, past which no tap writes. */
static fc_status check_sizes(fc_conv_desc *d) {
    if (d->n < 0 || d->ic < 1 || d->oc < 1 || d->groups < 1 || d->ic % d->groups || d->oc % d->groups)
        return FC_INVALID;
    int64_t x = d->n, y = d->n, w = d->oc;
    int fits = multiply(&x, d->ic) && multiply(&y, d->oc) && multiply(&w, d->ic / d->groups);
    for (int a = 0; a < FC_SPATIAL; ++a) {
        if (d->in[a] < 1 || d->out[a] < 1 || d->kernel[a] < 1 || d->stride[a] < 1 || d->dilation[a] < 1 ||
            d->pad[a] < 0)
            return FC_INVALID;
        int64_t extent = d->kernel[a] - 1, start = d->out[a] - 1;
        fits = fits && multiply(&x, d->in[a]) && multiply(&y, d->out[a]) && multiply(&w, d->kernel[a]);
        fits = fits && multiply(&extent, d->dilation[a]) && multiply(&start, d->stride[a]);
        fits = fits && extent < INT64_MAX / 4 && start < INT64_MAX / 4 && d->pad[a] < INT64_MAX / 4;
        if (!fits) return FC_OVERFLOW;
        if (d->out[a] == 1) d->stride[a] = d->pass == FC_BACKWARD_DATA ? fc_min(d->stride[a], extent + 1) : 1;
        int64_t step = d->stride[a];
        fits = multiply(&step, d->x_stride[AXIS_D + a]);
    }
    fits = fits && multiply(&x, 8) && multiply(&y, 8) && multiply(&w, 8);
    return fits ? FC_OK : FC_OVERFLOW;
}

static fc_status check_options(const fc_conv_desc *d) {
    if ((int)d->pass < 0 || d->pass > FC_BACKWARD_WEIGHTS || (int)d->border < 0 || d->border > FC_WRAP)
        return FC_INVALID;
    if (d->epilogue_count < 0 || d->epilogue_count > FC_MAX_EPILOGUE || d->algorithm >= ROWS) return FC_INVALID;
    if (d->epilogue_count > 0 && d->pass == FC_BACKWARD_WEIGHTS) return FC_INVALID;
    for (int e = 0; e < d->epilogue_count; ++e) {
        const fc_epilogue *step = &d->epilogue[e];
        if ((int)step->kind < 0 || step->kind > FC_POOL2X2) return FC_INVALID;
        if (step->kind == FC_ACTIVATE && ((int)step->activation < 0 || step->activation > FC_LEAKY_RELU))
            return FC_INVALID;
        if (step->kind == FC_POOL2X2 && (d->pass != FC_FORWARD || e != d->epilogue_count - 1)) return FC_INVALID;
        if (step->kind == FC_POOL2X2 && (d->out[1] < 2 || d->out[2] < 2)) return FC_INVALID;
    }
    return FC_OK;
}

static fc_status check_types(const fc_conv_desc *d) {
    if (d->input_type != d->weight_type || d->input_type != d->accumulator_type || d->input_type != d->output_type)
        return FC_UNSUPPORTED;
    if (d->input_type != FC_FLOAT32 && d->input_type != FC_FLOAT64) return FC_UNSUPPORTED;
    if (d->input_layout == FC_BLOCKED || d->output_layout == FC_BLOCKED) return FC_UNSUPPORTED;
    return FC_OK;
}

/* Copies and checks what the caller asked for. */
static fc_status read_desc(const fc_conv_desc *desc, fc_conv_desc *d) {
    if (desc->struct_size != sizeof *desc) return FC_INVALID;
    *d = *desc;
    fc_status status = check_options(d);
    if (status == FC_OK) status = check_sizes(d);
    return status == FC_OK ? check_types(d) : status;
}

/* The SIMD rows finish a sum with bias, then an activation, some with a residual between them or a 2x2 max-pool at the
 * end. Any other list of steps is the reference's. */
static void read_epilogue(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    plan->finish = (fc_finish){.activation = FC_IDENTITY};
    plan->pool2 = d->epilogue_count > 0 && d->epilogue[d->epilogue_count - 1].kind == FC_POOL2X2;
    for (int e = 0; e < d->epilogue_count; ++e) {
        const fc_epilogue *step = &d->epilogue[e];
        if (step->kind == FC_BIAS && e == 0) {
            plan->has_bias = 1;
        } else if (step->kind == FC_ACTIVATE && e == d->epilogue_count - 1 - plan->pool2) {
            plan->finish.activation = step->activation;
            plan->finish.parameter = step->parameter;
        } else {
            plan->has_residual |= step->kind == FC_RESIDUAL && e == plan->has_bias && d->pass != FC_BACKWARD_WEIGHTS;
            ++plan->other_steps;
        }
    }
}

static double count_macs(const fc_conv_desc *d) {
    double macs = (double)d->n * (double)d->oc * (double)(d->ic / d->groups);
    for (int a = 0; a < FC_SPATIAL; ++a) macs *= (double)d->out[a] * (double)d->kernel[a];
    return macs;
}

static int64_t one_thread_bytes(const fc_conv_plan *plan) { return fc_conv_plan_workspace(plan, 1); }

static void release(fc_conv_plan *plan) {
    if (plan->state && algorithms[plan->row]->release) {
        algorithms[plan->row]->release(plan);
    } else {
        free(plan->state);
    }
    plan->state = NULL;
    fc_fold_destroy(plan->fold);
    plan->fold = NULL;
}

static fc_status plan_row(fc_conv_plan *plan, const fc_conv_desc *desc, int row) {
    *plan = (fc_conv_plan){.desc = *desc, .row = row, .kernels = fc_kernels_for(fc_isa(), desc->input_type)};
    read_epilogue(plan);
    fc_status status = fc_fold_create(plan);
    plan->macs = count_macs(&plan->desc);
    if (status == FC_OK) status = algorithms[row]->plan(plan);
    if (plan->fold) {
        plan->macs *= (double)fc_fold_images(plan);
        plan->cost *= (double)fc_fold_images(plan);
    }
    if (status == FC_UNSUPPORTED && !plan->reason) plan->reason = "too large for its tiles and offsets";
    if (status != FC_OK) {
        release(plan);
        return status;
    }
    if (desc->workspace_limit >= 0 && one_thread_bytes(plan) > desc->workspace_limit) {
        plan->reason = "needs more than workspace_limit";
        return FC_WORKSPACE_TOO_SMALL;
    }
    return FC_OK;
}

fc_status fc_conv_candidates(const fc_conv_desc *desc, fc_conv_candidate *rows) {
    fc_conv_desc own;
    fc_status status = read_desc(desc, &own);
    if (status != FC_OK) return status;
    for (int row = 0; row < ROWS; ++row) {
        fc_conv_plan plan;
        status = plan_row(&plan, &own, row);
        if (status != FC_OK && status != FC_UNSUPPORTED && status != FC_WORKSPACE_TOO_SMALL) return status;
        rows[row] = (fc_conv_candidate){algorithms[row]->name,
                                        status,
                                        plan.reason ? plan.reason : "",
                                        plan.cost,
                                        plan.macs,
                                        status == FC_UNSUPPORTED ? 0 : one_thread_bytes(&plan)};
        release(&plan);
    }
    return FC_OK;
}

/* Short memory fails the plan: another row in place of the cheapest would change the bits. */
fc_status fc_conv_plan_create(const fc_conv_desc *desc, fc_conv_plan **result) {
    *result = NULL;
    fc_conv_desc own;
    fc_status status = read_desc(desc, &own);
    if (status != FC_OK) return status;
    fc_conv_plan best = {.row = -1};
    fc_status last = FC_UNSUPPORTED;
    const int first = own.algorithm < 0 ? 0 : own.algorithm, end = own.algorithm < 0 ? ROWS : first + 1;
    for (int row = first; row < end; ++row) {
        fc_conv_plan plan;
        status = plan_row(&plan, &own, row);
        if (status == FC_OK && (best.row < 0 || plan.cost < best.cost)) {
            if (best.row >= 0) release(&best);
            best = plan;
            continue;
        }
        if (status != FC_OK) last = status == FC_WORKSPACE_TOO_SMALL || last == FC_UNSUPPORTED ? status : last;
        release(&plan);
        if (status != FC_NO_MEMORY) continue;
        if (best.row >= 0) release(&best);
        return status;
    }
    if (best.row < 0) return last;
    *result = malloc(sizeof best);
    if (!*result) {
        release(&best);
        return FC_NO_MEMORY;
    }
    **result = best;
    return FC_OK;
}

void fc_conv_plan_destroy(fc_conv_plan *plan) {
    if (!plan) return;
    release(plan);
    free(plan);
}

int fc_conv_plan_algorithm(const fc_conv_plan *plan) { return plan->row; }

int64_t fc_conv_plan_packed(const fc_conv_plan *plan) { return plan->packed_bytes; }

static int64_t fixed_bytes(const fc_conv_plan *plan) {
    const int64_t packed = plan->desc.prepared ? 0 : (int64_t)fc_align_up((size_t)plan->packed_bytes);
    return packed + (int64_t)fc_align_up((size_t)plan->shared_bytes) + fc_fold_bytes(plan->fold);
}

int64_t fc_conv_plan_workspace(const fc_conv_plan *plan, int threads) {
    const int64_t bytes = fixed_bytes(plan) + (threads > 1 ? threads : 1) * plan->worker_bytes;
    return bytes > 0 ? bytes + FC_ALIGN : 0;
}

fc_status fc_conv_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const fc_conv_algorithm *algorithm = algorithms[plan->row];
    if (!algorithm->pack || plan->packed_bytes == 0) return FC_OK;
    if (!w || !packed) return FC_INVALID;
    return algorithm->pack(plan, w, packed, threads);
}

int fc_conv_plan_threads(const fc_conv_plan *plan, int64_t workspace_bytes, int asked) {
    const int64_t bytes = workspace_bytes >= 0 ? workspace_bytes : plan->desc.workspace_limit;
    const double deserved = fmin(fmax(plan->cost / cycles_per_thread, 1), INT32_MAX);
    int threads = fc_workers((int64_t)deserved, asked);
    while (threads > 1 && bytes >= 0 && fc_conv_plan_workspace(plan, threads) > bytes) --threads;
    return threads;
}

static fc_status run(const fc_conv_plan *plan, const fc_conv_args *args, void *memory, int threads) {
    char *at = (char *)fc_align_up((size_t)memory);
    fc_conv_scratch scratch = {.threads = threads, .packed = (void *)(uintptr_t)args->packed};
    if (!plan->desc.prepared) {
        scratch.packed = at;
        at += fc_align_up((size_t)plan->packed_bytes);
        if (plan->packed_bytes > 0) {
            const fc_status status = algorithms[plan->row]->pack(plan, args->w, scratch.packed, threads);
            if (status != FC_OK) return status;
        }
    }
    scratch.shared = at;
    at += fc_align_up((size_t)plan->shared_bytes);
    scratch.worker = at + fc_fold_bytes(plan->fold);
    if (plan->fold) return fc_fold_execute(plan, algorithms[plan->row], args, &scratch, at);
    return algorithms[plan->row]->execute(plan, args, &scratch);
}

fc_status fc_conv_execute(const fc_conv_plan *plan, const fc_conv_args *args) {
    const fc_conv_desc *d = &plan->desc;
    if (fc_fold_images(plan) > 0 && (!args->x || !args->y)) return FC_INVALID;
    if (d->prepared && plan->packed_bytes > 0 ? !args->packed : !args->w) return FC_INVALID;
    for (int e = 0; e < d->epilogue_count; ++e) {
        if (d->epilogue[e].kind == FC_BIAS && !args->bias) return FC_INVALID;
        if (d->epilogue[e].kind == FC_RESIDUAL && !args->residual) return FC_INVALID;
    }
    const int threads = fc_conv_plan_threads(plan, args->workspace ? args->workspace_bytes : -1, args->threads);
    const int64_t bytes = fc_conv_plan_workspace(plan, threads);
    if (args->workspace) {
        if (args->workspace_bytes < bytes) return FC_WORKSPACE_TOO_SMALL;
        return run(plan, args, args->workspace, threads);
    }
    if (bytes == 0) return run(plan, args, NULL, threads);
    void *memory = fc_scratch_acquire((size_t)bytes);
    if (!memory) return FC_NO_MEMORY;
    const fc_status status = run(plan, args, memory, threads);
    fc_scratch_release(memory);
    return status;
}
