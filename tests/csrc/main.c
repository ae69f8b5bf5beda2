/* Runs the groups named on the command line, or all of them. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    void (*run)(void);
} GROUPS[] = {{"arguments", test_conv_arguments},
              {"conv", test_conv},
              {"pool", test_pool},
              {"lanes", test_lanes},
              {"winograd", test_winograd},
              {"ops", test_ops},
              {"batch_norm", test_batch_norm},
              {"scale_shift", test_scale_shift},
              {"local_response", test_local_response},
              {"lines", test_lines},
              {"integers", test_integers},
              {"quantized", test_quantized},
              {"threads", test_threads}};

enum { GROUP_COUNT = sizeof GROUPS / sizeof GROUPS[0] };

int main(int count, char **names) {
    for (int isa = 0; isa < fc_isa_count(); ++isa)
        printf("%s%s", fc_isa_name(isa), fc_isa_supported(isa) ? " " : " (not on this CPU) ");
    printf("\n");
    for (int i = 1; i < count; ++i) {
        bool known = false;
        for (int g = 0; g < GROUP_COUNT; ++g) known |= strcmp(names[i], GROUPS[g].name) == 0;
        if (!known) {
            fprintf(stderr, "no group of tests is named %s\n", names[i]);
            return 2;
        }
    }
    int best = fc_isa();
    for (int g = 0; g < GROUP_COUNT; ++g) {
        bool wanted = count == 1;
        for (int i = 1; i < count; ++i) wanted |= strcmp(names[i], GROUPS[g].name) == 0;
        if (!wanted) continue;
        random_restart();
        GROUPS[g].run();
        fc_set_isa(best);
    }
    return report();
}
