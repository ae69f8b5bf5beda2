/* Descriptors and arguments that make no sense get a status, never a crash. */
#include "harness.h"

#include <string.h>

enum { BUFFER = 4096 };
static float x[BUFFER], w[BUFFER], y[BUFFER];

/* 2 x 4 x 8 x 8 with 3x3 kernels to 6 channels, contiguous. */
static fc_conv_desc good_desc(void) {
    return (fc_conv_desc){.struct_size = sizeof(fc_conv_desc),
                          .n = 2,
                          .ic = 4,
                          .oc = 6,
                          .groups = 1,
                          .in = {1, 8, 8},
                          .out = {1, 6, 6},
                          .kernel = {1, 3, 3},
                          .stride = {1, 1, 1},
                          .dilation = {1, 1, 1},
                          .x_stride = {256, 64, 64, 8, 1},
                          .w_stride = {36, 9, 9, 3, 1},
                          .y_stride = {216, 36, 36, 6, 1},
                          .residual_stride = {216, 36, 36, 6, 1},
                          .algorithm = -1,
                          .workspace_limit = -1};
}

static void expect_refused(const char *what, fc_conv_desc desc, fc_status want) {
    doing("%s", what);
    fc_conv_plan *plan = NULL;
    fc_status got = fc_conv_plan_create(&desc, &plan);
    check(got == want, "plan says \"%s\", not \"%s\"", fc_status_message(got), fc_status_message(want));
    check(plan == NULL, "a refused plan was made");
    fc_conv_plan_destroy(plan);
}

#define REFUSED(want, change)                                                                                          \
    do {                                                                                                               \
        fc_conv_desc d = good_desc();                                                                                  \
        change;                                                                                                        \
        expect_refused(#change, d, want);                                                                              \
    } while (0)

static void test_descriptors(void) {
    const int64_t huge = INT64_C(1) << 40;
    REFUSED(FC_INVALID, d.struct_size = 0);
    REFUSED(FC_INVALID, d.pass = (fc_pass)7);
    REFUSED(FC_INVALID, d.n = -1);
    REFUSED(FC_INVALID, d.ic = 0);
    REFUSED(FC_INVALID, d.oc = 0);
    REFUSED(FC_INVALID, d.groups = 0);
    REFUSED(FC_INVALID, d.groups = 3);
    REFUSED(FC_INVALID, d.in[1] = -4);
    REFUSED(FC_INVALID, d.out[2] = -1);
    REFUSED(FC_INVALID, d.kernel[1] = 0);
    REFUSED(FC_INVALID, d.stride[2] = 0);
    REFUSED(FC_INVALID, d.stride[2] = -1);
    REFUSED(FC_INVALID, d.dilation[1] = 0);
    REFUSED(FC_INVALID, d.border = (fc_border)9);
    REFUSED(FC_INVALID, d.algorithm = 1000);
    REFUSED(FC_INVALID, d.epilogue_count = FC_MAX_EPILOGUE + 1);
    REFUSED(FC_INVALID, d.epilogue_count = -1);
    REFUSED(FC_UNSUPPORTED, d.input_type = d.weight_type = d.accumulator_type = d.output_type = FC_BFLOAT16);
    REFUSED(FC_UNSUPPORTED, d.weight_type = FC_FLOAT64);
    REFUSED(FC_UNSUPPORTED, d.input_layout = d.output_layout = FC_BLOCKED);
    REFUSED(FC_OVERFLOW, (d.n = d.ic = d.in[1] = d.in[2] = huge, d.out[1] = d.out[2] = huge - 2));
}

static void test_execute(void) {
    fc_conv_desc desc = good_desc();
    fc_conv_plan *plan = NULL;
    doing("execute with missing arrays");
    check(fc_conv_plan_create(&desc, &plan) == FC_OK, "no plan");
    if (!plan) return;
    fc_conv_args all = {.x = x, .w = w, .y = y, .threads = 1};
    check(fc_conv_execute(plan, &all) == FC_OK, "refused good arguments");
    for (int missing = 0; missing < 3; ++missing) {
        fc_conv_args args = all;
        *(missing == 0 ? &args.x : missing == 1 ? &args.w : &args.y) = NULL;
        check(fc_conv_execute(plan, &args) == FC_INVALID, "took a NULL array, number %d", missing);
    }
    fc_conv_plan_destroy(plan);
    fc_conv_plan_destroy(NULL);
}

static void test_workspace(void) {
    for (int row = 0; row < fc_conv_algorithm_count(); ++row) {
        doing("workspace of %s", fc_conv_algorithm_name(row));
        fc_conv_desc desc = good_desc();
        desc.algorithm = row;
        fc_conv_plan *plan = NULL;
        if (fc_conv_plan_create(&desc, &plan) != FC_OK) continue;
        int64_t need = fc_conv_plan_workspace(plan, 1);
        check(need >= 0 && fc_conv_plan_workspace(plan, 2) >= need, "shrinks with threads");
        if (need > 0) {
            static double workspace[1 << 16];
            fc_conv_args args = {
                .x = x, .w = w, .y = y, .workspace = workspace, .workspace_bytes = need - 1, .threads = 1};
            check((size_t)need <= sizeof workspace, "needs %ld bytes for a tiny problem", (long)need);
            check(fc_conv_execute(plan, &args) == FC_WORKSPACE_TOO_SMALL, "took a workspace that is too small");
            fc_conv_plan_destroy(plan);
            desc.workspace_limit = need - 1, plan = NULL;
            check(fc_conv_plan_create(&desc, &plan) == FC_WORKSPACE_TOO_SMALL, "ignored workspace_limit");
        }
        fc_conv_plan_destroy(plan);
    }
    doing("automatic choice under workspace_limit=0");
    fc_conv_desc desc = good_desc();
    desc.workspace_limit = 0;
    fc_conv_plan *plan = NULL;
    fc_status status = fc_conv_plan_create(&desc, &plan);
    check(status == FC_OK && fc_conv_plan_workspace(plan, 1) == 0, "%s", fc_status_message(status));
    fc_conv_plan_destroy(plan);
}

static void test_library(void) {
    doing("library");
    for (int status = FC_OK; status <= FC_WORKSPACE_TOO_SMALL; ++status)
        check(strlen(fc_status_message(status)) > 0, "status %d has no message", status);
    check(strlen(fc_version()) > 0, "no version");
    fc_cpu_info info;
    fc_cpu(&info);
    check(info.l1_bytes > 0 && info.l2_bytes > 0 && info.logical_cpus > 0, "cpu information is empty");
    int before = fc_isa();
    check(fc_isa_count() > 0 && fc_isa_supported(before), "the active ISA is not supported");
    check(strcmp(fc_isa_name(0), "scalar") == 0 && fc_isa_supported(0), "scalar is not the weakest ISA");
    check(fc_set_isa(fc_isa_count()) == FC_INVALID && fc_set_isa(-1) == FC_INVALID, "took an ISA that does not exist");
    check(fc_isa() == before, "a refused ISA changed the active one");
    int threads = fc_threads();
    check(threads >= 1 && fc_set_threads(0) == FC_INVALID && fc_threads() == threads, "took zero threads");
    check(fc_set_threads(2) == FC_OK && fc_threads() == 2, "refused two threads");
    fc_set_threads(threads);
    fc_scratch_trim();
    check(fc_scratch_bytes() == 0, "trimmed scratch still holds %ld bytes", (long)fc_scratch_bytes());
}

void test_conv_arguments(void) {
    test_library();
    test_descriptors();
    test_execute();
    test_workspace();
}
