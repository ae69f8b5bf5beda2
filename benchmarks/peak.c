/* Measured limits of this machine, for the heads of the benchmarks: multiply-adds a second and bytes copied a second.
 *   cc -O3 -march=native -fopenmp peak.c -o peak && OMP_NUM_THREADS=2 ./peak
 * Prints GFLOP/s in float32 (a multiply-add is two) and GB/s (read and written bytes). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
enum { LANES = 16, CHAINS = 16 };
#elif defined(__AVX__)
enum { LANES = 8, CHAINS = 12 };
#else
enum { LANES = 4, CHAINS = 12 };
#endif

typedef float vec __attribute__((vector_size(LANES * sizeof(float))));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double multiply_adds(long rounds) {
    double total = 0;
#pragma omp parallel reduction(+ : total)
    {
        vec acc[CHAINS], a = {0}, b = {0};
        for (int i = 0; i < LANES; ++i) a[i] = 0.999f, b[i] = 1e-3f * (float)i;
        for (int c = 0; c < CHAINS; ++c) acc[c] = b;
        for (long r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
            for (int c = 0; c < CHAINS; ++c) acc[c] = acc[c] * a + b;
        }
        for (int c = 0; c < CHAINS; ++c) total += acc[c][0];
    }
    return total;
}

int main(void) {
    enum { TRIES = 5 };
    const long rounds = 20000000;
    const size_t bytes = (size_t)256 << 20;
    int threads = 0;
    double flops = 0, copied = 0, sink = 0;
#pragma omp parallel reduction(+ : threads)
    threads += 1;
    char *from = malloc(bytes), *to = malloc(bytes);
    if (!from || !to) return 1;
    memset(from, 1, bytes), memset(to, 2, bytes);
    for (int t = 0; t < TRIES; ++t) {
        double start = now();
        sink += multiply_adds(rounds / TRIES);
        double rate = 2.0 * LANES * CHAINS * (double)(rounds / TRIES) * threads / (now() - start);
        if (rate > flops) flops = rate;
        start = now();
        const size_t part = bytes / (size_t)threads;
#pragma omp parallel for
        for (int i = 0; i < threads; ++i) memcpy(to + (size_t)i * part, from + (size_t)i * part, part);
        rate = 2.0 * (double)bytes / (now() - start);
        if (rate > copied) copied = rate;
    }
    fprintf(stderr, "%g %d\n", sink, to[bytes / 2]);
    printf("%.1f %.1f\n", flops / 1e9, copied / 1e9);
    free(from), free(to);
    return 0;
}
