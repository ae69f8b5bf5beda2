#include "harness.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTINEL = 0xA5, FAILURES_SHOWN = 40 };
#ifdef __SANITIZE_ADDRESS__
enum { GUARD = 0 };
#else
enum { GUARD = 67 }; /* elements; odd, so that rows are not aligned to vectors */
#endif

static char context[512];
static long passed, failed;

void doing(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(context, sizeof context, format, list);
    va_end(list);
}

void check(bool good, const char *format, ...) {
    if (good) {
        ++passed;
        return;
    }
    if (++failed > FAILURES_SHOWN) return;
    va_list list;
    va_start(list, format);
    printf("FAILED %s: ", context);
    vprintf(format, list);
    printf("\n");
    va_end(list);
}

void check_close(double got, double want, double tolerance, const char *what) {
    bool good = isnan(want) ? isnan(got) : (got == want || fabs(got - want) <= tolerance);
    check(good, "%s is %.9g, not %.9g (tolerance %.3g)", what, got, want, tolerance);
}

int report(void) {
    printf("%ld passed, %ld failed\n", passed, failed);
    return failed || !passed;
}

size_t item_size(fc_dtype type) {
    switch (type) {
    case FC_INT8:
    case FC_UINT8:
        return 1;
    case FC_FLOAT64:
        return 8;
    default:
        return 4;
    }
}

double epsilon(fc_dtype type) { return type == FC_FLOAT32 ? 0x1p-23 : 0x1p-52; }

double get(fc_dtype type, const void *p, int64_t i) {
    switch (type) {
    case FC_INT8:
        return ((const int8_t *)p)[i];
    case FC_UINT8:
        return ((const uint8_t *)p)[i];
    case FC_INT32:
        return ((const int32_t *)p)[i];
    case FC_FLOAT32:
        return ((const float *)p)[i];
    default:
        return ((const double *)p)[i];
    }
}

void set(fc_dtype type, void *p, int64_t i, double value) {
    switch (type) {
    case FC_INT8:
        ((int8_t *)p)[i] = (int8_t)value;
        break;
    case FC_UINT8:
        ((uint8_t *)p)[i] = (uint8_t)value;
        break;
    case FC_INT32:
        ((int32_t *)p)[i] = (int32_t)value;
        break;
    case FC_FLOAT32:
        ((float *)p)[i] = (float)value;
        break;
    default:
        ((double *)p)[i] = value;
    }
}

static uint64_t state;

void random_restart(void) { state = 88172645463325252u; }

double random_value(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)((int64_t)(state % 65) - 32) / 16;
}

tensor tensor_make(fc_dtype type, view how, const int64_t size[FC_AXES]) {
    static const int first[FC_AXES] = {0, 1, 2, 3, 4}, last[FC_AXES] = {0, 2, 3, 4, 1};
    const int *order = how == CHANNELS_LAST ? last : first;
    tensor t = {.type = type};
    memcpy(t.size, size, sizeof t.size);
    int64_t span = how == GAPS ? 2 : 1, reach = 0;
    for (int i = FC_AXES - 1; i >= 0; --i) {
        int axis = order[i];
        t.stride[axis] = span;
        span = span * (size[axis] > 0 ? size[axis] : 1) + (how == GAPS ? 3 : 0);
    }
    if (how == REVERSED)
        for (int axis = 3; axis < FC_AXES; ++axis) t.stride[axis] = -t.stride[axis];
    t.origin = GUARD;
    bool empty = false;
    for (int axis = 0; axis < FC_AXES; ++axis) {
        int64_t end = (size[axis] - 1) * t.stride[axis];
        empty |= size[axis] <= 0;
        if (end < 0)
            t.origin -= end, reach -= end;
        else
            reach += end;
    }
    t.elements = 2 * GUARD + (empty ? 0 : reach + 1);
    t.memory = malloc((size_t)t.elements * item_size(type) + 1);
    if (!t.memory) abort();
    tensor_forget(&t);
    return t;
}

void tensor_free(tensor *t) {
    free(t->memory);
    free(t->before);
    t->memory = t->before = NULL;
}

void *tensor_data(const tensor *t) { return t->memory + (size_t)t->origin * item_size(t->type); }

int64_t tensor_at(const tensor *t, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) {
    return a * t->stride[0] + b * t->stride[1] + c * t->stride[2] + d * t->stride[3] + e * t->stride[4];
}

double tensor_get(const tensor *t, int64_t at) { return get(t->type, t->memory, t->origin + at); }

void tensor_set(tensor *t, int64_t at, double value) { set(t->type, t->memory, t->origin + at, value); }

void tensor_fill(tensor *t, double value) { EACH(t, a, b, c, d, e) tensor_set(t, tensor_at(t, a, b, c, d, e), value); }

void tensor_random(tensor *t) { EACH(t, a, b, c, d, e) tensor_set(t, tensor_at(t, a, b, c, d, e), random_value()); }

void tensor_forget(tensor *t) { memset(t->memory, SENTINEL, (size_t)t->elements * item_size(t->type)); }

void tensor_expect(tensor *t) {
    size_t bytes = (size_t)t->elements * item_size(t->type);
    if (!t->before) t->before = malloc(bytes + 1);
    if (!t->before) abort();
    memcpy(t->before, t->memory, bytes);
}

bool tensor_unchanged(const tensor *t) {
    return memcmp(t->before, t->memory, (size_t)t->elements * item_size(t->type)) == 0;
}

bool tensor_intact(const tensor *t) {
    size_t item = item_size(t->type);
    unsigned char *reached = calloc((size_t)t->elements + 1, 1);
    if (!reached) abort();
    EACH(t, a, b, c, d, e) reached[t->origin + tensor_at(t, a, b, c, d, e)] = 1;
    bool good = true;
    for (int64_t i = 0; i < t->elements && good; ++i)
        for (size_t byte = 0; byte < item && !reached[i]; ++byte)
            good = good && t->memory[(size_t)i * item + byte] == SENTINEL;
    free(reached);
    return good;
}

bool tensor_same_bits(const tensor *a, const tensor *b) {
    return a->elements == b->elements && memcmp(a->memory, b->memory, (size_t)a->elements * item_size(a->type)) == 0;
}
