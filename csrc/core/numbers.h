/* numbers.h: the integer arithmetic that plans share. */
#ifndef FC_NUMBERS_H
#define FC_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

static inline int64_t fc_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t fc_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fc_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* a * b of two sizes, or 2^31 where that is less: offsets of 32 bits end there, so larger sizes need not be told
 * apart. */
static inline int64_t fc_capped_product(int64_t a, int64_t b) {
    const int64_t cap = (int64_t)INT32_MAX + 1;
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? cap : fc_min(product, cap);
}

/* The last i with first[i] <= value, where first[] ascends and first[0] <= value. */
static inline int64_t fc_last_at_most(const int64_t *first, int64_t count, int64_t value) {
    int64_t low = 0, high = count;
    while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        if (first[middle] <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The address of an element, whatever its type. */
static inline void *fc_at(const void *base, int64_t elements, size_t size) {
    return (char *)(uintptr_t)base + elements * (int64_t)size;
}

#endif
