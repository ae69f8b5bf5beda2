/* harness.h: guarded strided tensors, exact little random numbers and the counting of checks.
 *
 * A tensor owns one allocation in which every element that its strides do not reach, and a guard before and behind,
 * keeps a sentinel: whatever writes there is caught by tensor_intact. Under AddressSanitizer the guards have no bytes,
 * so that the sanitizer sees reads outside as well. */
#ifndef HARNESS_H
#define HARNESS_H

#include "fastconv.h"

#include <stdbool.h>
#include <stdint.h>

/* How the elements of a tensor lie in memory. */
typedef enum view { CHANNELS_FIRST, CHANNELS_LAST, GAPS, REVERSED, VIEWS } view;

typedef struct tensor {
    fc_dtype type;
    int64_t size[FC_AXES], stride[FC_AXES];
    int64_t elements; /* of the allocation, gaps and guards included */
    int64_t origin;   /* of element (0, 0, 0, 0, 0) in the allocation */
    unsigned char *memory;
    unsigned char *before; /* copy made by tensor_expect */
} tensor;

tensor tensor_make(fc_dtype type, view how, const int64_t size[FC_AXES]);
void tensor_free(tensor *t);
void *tensor_data(const tensor *t);
int64_t tensor_at(const tensor *t, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e);
double tensor_get(const tensor *t, int64_t at);
void tensor_set(tensor *t, int64_t at, double value);
void tensor_random(tensor *t); /* multiples of 1/16 in [-2, 2] */
void tensor_fill(tensor *t, double value);
void tensor_forget(tensor *t); /* sentinels everywhere: an output that is not written shows */
void tensor_expect(tensor *t); /* remembers all bytes, for tensor_unchanged */
bool tensor_unchanged(const tensor *t);
bool tensor_intact(const tensor *t); /* guards and gaps keep their sentinel */
bool tensor_same_bits(const tensor *a, const tensor *b);

#define EACH(t, a, b, c, d, e)                                                                                         \
    for (int64_t a = 0; a < (t)->size[0]; ++a)                                                                         \
        for (int64_t b = 0; b < (t)->size[1]; ++b)                                                                     \
            for (int64_t c = 0; c < (t)->size[2]; ++c)                                                                 \
                for (int64_t d = 0; d < (t)->size[3]; ++d)                                                             \
                    for (int64_t e = 0; e < (t)->size[4]; ++e)

double epsilon(fc_dtype type);
size_t item_size(fc_dtype type);
double get(fc_dtype type, const void *p, int64_t i);
void set(fc_dtype type, void *p, int64_t i, double value);
void random_restart(void); /* numbers of one group of tests do not depend on what ran before */
double random_value(void);

/* Counts a check; prints the first failures with the context set by `doing`. */
void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_close(double got, double want, double tolerance, const char *what);
void doing(const char *format, ...) __attribute__((format(printf, 1, 2)));
int report(void); /* prints "N passed, N failed"; the exit status */

void test_conv(void);
void test_conv_arguments(void);
void test_pool(void);
void test_lanes(void);
void test_winograd(void);
void test_ops(void);
void test_batch_norm(void);
void test_scale_shift(void);
void test_local_response(void);
void test_lines(void);
void test_integers(void);
void test_quantized(void);
void test_threads(void);

#endif
