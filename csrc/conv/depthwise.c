/* depthwise.c: one input channel per group, any channel multiplier.
 *
 * Planes with contiguous rows and pixels with contiguous channels are read where they stand, with zeros around them, and
 * finished outputs are stored where they belong; other views, borders and sizes go through a padded tile. */
#include "conv/depthwise.h"

#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"

static const fc_conv_algorithm *const ways[] = {&fc_depthwise_lanes, &fc_depthwise_planes, &fc_depthwise_pixels,
                                                &fc_depthwise_sums, &fc_depthwise_tiles};
enum { WAYS = sizeof ways / sizeof *ways };

/* What the chosen way keeps in plan->state stands here while the plan is ours. */
typedef struct depthwise_plan {
    const fc_conv_algorithm *way;
    void *state;
} depthwise_plan;

int fc_depthwise_in_place(const fc_conv_desc *d) {
    if (d->in[DEPTH] != 1 || d->out[DEPTH] != 1 || d->kernel[DEPTH] != 1 || d->pad[DEPTH] != 0) return 0;
    if (d->pass == FC_BACKWARD_DATA || (d->border == FC_CONSTANT && d->border_value == 0)) return 1;
    for (int a = HEIGHT; a <= WIDTH; ++a) {
        const int64_t last = (d->out[a] - 1) * d->stride[a] + (d->kernel[a] - 1) * d->dilation[a];
        if (d->pad[a] > 0 || last >= d->in[a]) return 0;
    }
    return 1;
}

int64_t fc_depthwise_reach(int64_t height, int64_t width, int64_t step) {
    return height * ((FC_PIXEL_OUTPUTS - 1) * step + 2 * width) + FC_PIXEL_OUTPUTS;
}

int64_t fc_depthwise_chunk(int64_t channels, int64_t reach, const fc_kernels *k) {
    const int64_t vectors = fc_ceil_div(channels, k->lanes);
    const int64_t most = fc_max(1, fc_l1_bytes() / (fc_max(1, reach) * k->lanes * (int64_t)k->element));
    return fc_ceil_div(vectors, fc_ceil_div(vectors, most)) * k->lanes;
}

int64_t fc_depthwise_band(int64_t units, int64_t rows, int64_t least) {
    const int64_t bands = fc_min(fc_ceil_div(FC_DEPTHWISE_TASKS, fc_max(1, units)), rows / least);
    return fc_ceil_div(rows, fc_max(1, bands));
}

static void release_depthwise(fc_conv_plan *plan) {
    depthwise_plan *s = plan->state;
    if (!s) return;
    plan->state = s->state;
    if (s->way) s->way->release(plan);
    plan->state = NULL;
    free(s);
}

/* Whether a way beats another: the one that keeps to the limit of workspace, then the cheaper one. */
static int better(const fc_conv_plan *way, const fc_conv_plan *other) {
    if (!other) return 1;
    const int64_t limit = way->desc.workspace_limit;
    const int fits = limit < 0 || fc_conv_plan_workspace(way, 1) <= limit;
    const int other_fits = limit < 0 || fc_conv_plan_workspace(other, 1) <= limit;
    return fits != other_fits ? fits : way->cost < other->cost;
}

static fc_status plan_depthwise(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const int64_t channels = d->pass == FC_BACKWARD_DATA ? d->oc / d->groups : d->ic / d->groups;
    if (channels != 1 || plan->other_steps != plan->has_residual) {
        plan->reason = channels != 1 ? "a group sums over more than one channel" : "this epilogue is not fused yet";
        return FC_UNSUPPORTED;
    }
    depthwise_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    fc_conv_plan best = {.cost = INFINITY};
    fc_status status = FC_UNSUPPORTED;
    for (int i = 0; i < WAYS && (status == FC_OK || status == FC_UNSUPPORTED); ++i) {
        if (s->way && ways[i] == &fc_depthwise_tiles) break; /* takes what no other does */
        fc_conv_plan trial = *plan;
        trial.state = NULL;
        const fc_status answer = ways[i]->plan(&trial);
        if (answer == FC_OK && better(&trial, s->way ? &best : NULL)) {
            if (s->way) s->way->release(&best);
            best = trial;
            s->way = ways[i];
            status = FC_OK;
            continue;
        }
        if (trial.state) ways[i]->release(&trial);
        if (answer == FC_UNSUPPORTED && !s->way) plan->reason = trial.reason;
        if (answer != FC_OK && answer != FC_UNSUPPORTED) status = answer;
    }
    if (s->way) *plan = best;
    s->state = best.state;
    plan->state = s;
    return status;
}

/* The ways see a plan whose state is their own. */
static fc_conv_plan own(const fc_conv_plan *plan) {
    fc_conv_plan view = *plan;
    view.state = ((const depthwise_plan *)plan->state)->state;
    return view;
}

static fc_status pack_depthwise(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const fc_conv_plan view = own(plan);
    return ((const depthwise_plan *)plan->state)->way->pack(&view, w, packed, threads);
}

static fc_status execute_depthwise(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fc_conv_plan view = own(plan);
    return ((const depthwise_plan *)plan->state)->way->execute(&view, args, scratch);
}

const fc_conv_algorithm fc_conv_depthwise = {"depthwise", plan_depthwise, pack_depthwise, execute_depthwise,
                                             release_depthwise};
