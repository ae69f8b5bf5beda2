/* Several threads of the caller inside one plan at once, and more workers than tasks: always the bits of one thread. */
#include "harness.h"

#include <pthread.h>
#include <string.h>

enum { CALLERS = 4, ROUNDS = 30, CHANNELS = 8, FILTERS = 24, SIDE = 20, OUTPUTS = FILTERS * SIDE * SIDE };

typedef struct caller {
    const fc_conv_plan *plan;
    float *x, *w;
    float y[OUTPUTS];
    int threads;
    fc_status status;
} caller;

static fc_conv_desc descriptor(void) {
    return (fc_conv_desc){.struct_size = sizeof(fc_conv_desc),
                          .n = 1,
                          .ic = CHANNELS,
                          .oc = FILTERS,
                          .groups = 1,
                          .in = {1, SIDE, SIDE},
                          .out = {1, SIDE, SIDE},
                          .kernel = {1, 3, 3},
                          .stride = {1, 1, 1},
                          .dilation = {1, 1, 1},
                          .pad = {0, 1, 1},
                          .x_stride = {CHANNELS * SIDE * SIDE, SIDE * SIDE, SIDE * SIDE, SIDE, 1},
                          .w_stride = {CHANNELS * 9, 9, 9, 3, 1},
                          .y_stride = {OUTPUTS, SIDE * SIDE, SIDE * SIDE, SIDE, 1},
                          .algorithm = -1,
                          .workspace_limit = -1};
}

static void *call(void *argument) {
    caller *c = argument;
    for (int round = 0; round < ROUNDS && c->status == FC_OK; ++round) {
        memset(c->y, 0xA5, sizeof c->y);
        fc_conv_args args = {.x = c->x, .w = c->w, .y = c->y, .threads = c->threads};
        c->status = fc_conv_execute(c->plan, &args);
    }
    return NULL;
}

static void test_algorithm(int algorithm) {
    static float x[CHANNELS * SIDE * SIDE], w[FILTERS * CHANNELS * 9];
    static caller alone, callers[CALLERS];
    fc_conv_desc desc = descriptor();
    desc.algorithm = algorithm;
    fc_conv_plan *plan = NULL;
    if (fc_conv_plan_create(&desc, &plan) != FC_OK) return;
    for (size_t i = 0; i < sizeof x / sizeof *x; ++i) x[i] = (float)random_value();
    for (size_t i = 0; i < sizeof w / sizeof *w; ++i) w[i] = (float)random_value();
    check(fc_conv_plan_threads(plan, -1, 1) == 1 && fc_conv_plan_threads(plan, -1, 3) <= 3, "more threads than asked");
    check(fc_conv_plan_threads(plan, fc_conv_plan_workspace(plan, 1), 64) == 1 ||
              fc_conv_plan_workspace(plan, 2) == fc_conv_plan_workspace(plan, 1),
          "more threads than the workspace has room for");
    alone = (caller){.plan = plan, .x = x, .w = w, .threads = 1};
    call(&alone);
    check(alone.status == FC_OK, "one thread: %s", fc_status_message(alone.status));
    pthread_t made[CALLERS];
    for (int i = 0; i < CALLERS; ++i) {
        callers[i] = (caller){.plan = plan, .x = x, .w = w, .threads = i == 0 ? 64 : i + 1};
        check(pthread_create(&made[i], NULL, call, &callers[i]) == 0, "no thread");
    }
    for (int i = 0; i < CALLERS; ++i) {
        pthread_join(made[i], NULL);
        check(callers[i].status == FC_OK, "caller %d: %s", i, fc_status_message(callers[i].status));
        check(memcmp(callers[i].y, alone.y, sizeof alone.y) == 0, "caller %d got other bits", i);
    }
    fc_conv_plan_destroy(plan);
}

void test_threads(void) {
    for (int row = 0; row < fc_conv_algorithm_count(); ++row) {
        doing("%s in several threads", fc_conv_algorithm_name(row));
        test_algorithm(row);
    }
}
