/* peak.h: multiply-adds that never leave the registers: what the units of this ISA can do at best. Twelve independent
 * sums and two operands fit 16 registers and hide a latency of 4 cycles at 2 multiply-adds a cycle (8 would do). */

static int64_t FC_NAME(fc_multiply_adds)(int64_t rounds, void *sink) {
    enum { SUMS = 12 };
    const vec shrink = vbroadcast((real)0.999), step = vbroadcast((real)1e-3);
    vec sum[SUMS];
#pragma GCC unroll 12
    for (int s = 0; s < SUMS; ++s) sum[s] = vbroadcast((real)s);
    for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
        for (int s = 0; s < SUMS; ++s) sum[s] = vfma(sum[s], shrink, step);
    }
#pragma GCC unroll 12
    for (int s = 1; s < SUMS; ++s) sum[0] = vadd(sum[0], sum[s]);
    vstore(sink, sum[0]);
    return rounds * SUMS * VLANES;
}
