/* conv_cases.h: the table of convolution problems; what a row leaves out is 0, and 0 in kernel, stride and dilation is
 * read as 1. Axes are depth, height, width. */
#ifndef CONV_CASES_H
#define CONV_CASES_H

#include "fastconv.h"

typedef struct conv_case {
    const char *name;
    int64_t n, ic, oc, groups;
    int64_t in[3], kernel[3], stride[3], dilation[3], before[3], after[3];
    fc_border border;
    double value; /* of the constant border */
    int flip, bias, residual;
    fc_activation activation;
    double slope;
} conv_case;

static const conv_case CONV_CASES[] = {
    {"first layer",
     2,
     3,
     8,
     1,
     {1, 13, 15},
     {1, 5, 5},
     .before = {0, 2, 2},
     .after = {0, 2, 2},
     .bias = 1,
     .activation = FC_RELU},
    {"one channel in", 3, 1, 6, 1, {1, 28, 28}, {1, 5, 5}, .before = {0, 2, 2}, .after = {0, 2, 2}, .bias = 1},
    {"one channel out", 1, 7, 1, 1, {1, 9, 10}, {1, 3, 3}, .bias = 1},
    {"1x1", 2, 20, 19, 1, {1, 7, 9}, {1, 1, 1}, .bias = 1, .activation = FC_RELU},
    {"1x1 strided", 1, 16, 33, 1, {1, 9, 8}, {1, 1, 1}, {1, 2, 3}},
    {"1x1 padded", 1, 5, 6, 1, {1, 4, 4}, {1, 1, 1}, .before = {0, 1, 2}, .after = {0, 1, 0}, .value = 0.5},
    {"1x1 grouped", 2, 12, 18, 3, {1, 5, 5}, {1, 1, 1}, .bias = 1},
    {"1x1, deep, few pixels past a vector", 2, 150, 37, 1, {1, 7, 7}, {1, 1, 1}, .bias = 1, .activation = FC_RELU},
    {"1x1, deep, less than a vector", 3, 90, 67, 1, {1, 3, 3}, {1, 1, 1}, .bias = 1},
    {"1x1, several strips", 1, 9, 130, 1, {1, 10, 13}, {1, 1, 1}},
    {"1x1, many images", 70, 3, 5, 1, {1, 2, 3}, {1, 1, 1}, .bias = 1},
    {"1x1 strided by two", 2, 40, 24, 1, {1, 14, 41}, {1, 1, 1}, {1, 2, 2}, .bias = 1},
    {"1x1 on one pixel", 9, 40, 21, 1, {1, 1, 1}, {1, 1, 1}, .bias = 1},
    {"3x3", 2, 16, 32, 1, {1, 14, 14}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}, .bias = 1},
    {"3x3, many channels", 1, 37, 41, 1, {1, 9, 10}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}, .bias = 1},
    {"3x3, many small images", 7, 9, 18, 1, {1, 7, 5}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"3x3, few tiles", 1, 70, 130, 1, {1, 3, 2}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"3x3 on one of two depths", 2, 5, 6, 1, {4, 8, 6}, {1, 3, 3}, {2, 1, 1}, .before = {1, 1, 1}, .after = {0, 1, 1}},
    {"5x5", 1, 5, 17, 1, {1, 8, 9}, {1, 5, 5}, .before = {0, 2, 2}, .after = {0, 2, 2}, .activation = FC_RELU},
    {"3x1", 1, 5, 6, 1, {1, 9, 4}, {1, 3, 1}, .before = {0, 1, 0}, .after = {0, 1, 0}},
    {"1x3", 1, 5, 6, 1, {1, 3, 19}, {1, 1, 3}, .before = {0, 0, 1}, .after = {0, 0, 1}, .bias = 1},
    {"3x3 wide row", 1, 4, 5, 1, {1, 3, 70}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"3x3 with residual and relu6",
     2,
     6,
     7,
     1,
     {1, 8, 8},
     {1, 3, 3},
     .before = {0, 1, 1},
     .after = {0, 1, 1},
     .bias = 1,
     .residual = 1,
     .activation = FC_RELU6},
    {"3x3 leaky", 1, 6, 9, 1, {1, 8, 8}, {1, 3, 3}, .bias = 1, .activation = FC_LEAKY_RELU, .slope = 0.125},
    {"strided", 2, 5, 7, 1, {1, 15, 13}, {1, 3, 3}, {1, 2, 2}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"stride beyond kernel", 1, 3, 4, 1, {1, 16, 17}, {1, 2, 2}, {1, 3, 4}},
    {"11x11 stride 4", 1, 3, 17, 1, {1, 31, 31}, {1, 11, 11}, {1, 4, 4}, .bias = 1},
    {"dilated", 1, 4, 6, 1, {1, 12, 14}, {1, 3, 3}, .dilation = {1, 2, 3}, .before = {0, 2, 3}, .after = {0, 2, 3}},
    {"dilated and strided", 2, 3, 5, 1, {1, 17, 18}, {1, 3, 2}, {1, 2, 3}, {1, 3, 4}, {0, 3, 1}, {0, 2, 4}},
    {"grouped", 2, 8, 12, 4, {1, 9, 9}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}, .bias = 1},
    {"depthwise",
     2,
     19,
     19,
     19,
     {1, 10, 11},
     {1, 3, 3},
     .before = {0, 1, 1},
     .after = {0, 1, 1},
     .bias = 1,
     .activation = FC_RELU6},
    {"depthwise strided", 1, 16, 16, 16, {1, 15, 15}, {1, 5, 5}, {1, 2, 2}, .before = {0, 2, 2}, .after = {0, 2, 2}},
    {"depthwise times two", 1, 5, 10, 5, {1, 8, 9}, {1, 3, 3}, .dilation = {1, 2, 1}},
    {"image filter", 1, 1, 1, 1, {1, 29, 90}, {1, 7, 7}, .before = {0, 3, 3}, .after = {0, 3, 3}, .bias = 1},
    {"image filter inside", 2, 1, 1, 1, {1, 24, 150}, {1, 8, 3}, .activation = FC_RELU},
    {"image filters, two per channel", 1, 3, 6, 3, {1, 13, 66}, {1, 2, 5}, .before = {0, 1, 0}, .after = {0, 0, 4}},
    {"image filter dilated", 1, 2, 2, 2, {1, 31, 77}, {1, 5, 4}, .dilation = {1, 3, 2}, .before = {0, 4, 1}},
    {"volume filter", 1, 2, 2, 2, {7, 9, 40}, {3, 4, 5}, .dilation = {2, 1, 1}, .before = {2, 1, 2}, .after = {2, 2, 2}},
    {"signal filter", 2, 1, 1, 1, {1, 1, 700}, {1, 1, 33}, .before = {0, 0, 32}, .after = {0, 0, 32}},
    {"kernel larger than image", 1, 3, 4, 1, {1, 3, 4}, {1, 5, 7}, .before = {0, 3, 4}, .after = {0, 3, 4}},
    {"kernel is the image", 4, 10, 11, 1, {1, 5, 5}, {1, 5, 5}, .bias = 1},
    {"full", 1, 2, 3, 1, {1, 5, 6}, {1, 4, 3}, .before = {0, 3, 2}, .after = {0, 3, 2}, .flip = 1},
    {"channel tails", 1, 17, 31, 1, {1, 6, 7}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"channel tails by one", 1, 9, 15, 1, {1, 5, 17}, {1, 3, 3}},
    {"asymmetric padding", 1, 3, 4, 1, {1, 7, 7}, {1, 4, 4}, .before = {0, 1, 0}, .after = {0, 2, 3}},
    {"empty batch", 0, 3, 4, 1, {1, 6, 6}, {1, 3, 3}, .bias = 1},
    {"size one everywhere", 1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}},
    {"size one image", 2, 3, 5, 1, {1, 1, 1}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}},
    {"one row", 1, 4, 4, 1, {1, 1, 40}, {1, 1, 5}, .before = {0, 0, 2}, .after = {0, 0, 2}},
    {"one column", 1, 4, 4, 1, {1, 40, 1}, {1, 5, 1}, .before = {0, 2, 0}, .after = {0, 2, 0}},
    {"1-D", 3, 5, 6, 1, {1, 1, 50}, {1, 1, 7}, {1, 1, 2}, {1, 1, 2}, .bias = 1},
    {"3-D", 1, 3, 5, 1, {5, 6, 7}, {3, 3, 3}, .before = {1, 1, 1}, .after = {1, 1, 1}, .bias = 1},
    {"3-D strided, dilated, grouped", 2, 4, 6, 2, {7, 6, 9}, {2, 3, 2}, {2, 1, 2}, {2, 1, 3}, {1, 0, 2}, {0, 1, 1}},
    {"3-D depthwise", 1, 6, 6, 6, {4, 5, 6}, {3, 3, 3}, .before = {1, 1, 1}, .after = {1, 1, 1}},
    {"constant border", 1, 3, 4, 1, {1, 6, 7}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 2, 1}, .value = -1.5},
    {"reflect", 1, 3, 4, 1, {1, 6, 7}, {1, 5, 3}, .before = {0, 2, 1}, .after = {0, 2, 1}, .border = FC_REFLECT},
    {"symmetric", 1, 3, 4, 1, {1, 6, 7}, {1, 3, 5}, .before = {0, 1, 2}, .after = {0, 1, 2}, .border = FC_SYMMETRIC},
    {"edge", 1, 3, 4, 1, {1, 6, 7}, {1, 3, 3}, {1, 2, 1}, .before = {0, 3, 3}, .after = {0, 3, 3}, .border = FC_EDGE},
    {"wrap", 2, 3, 4, 1, {1, 6, 7}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}, .border = FC_WRAP, .flip = 1},
    {"wrap, depthwise", 1, 8, 8, 8, {1, 6, 7}, {1, 3, 3}, .before = {0, 1, 1}, .after = {0, 1, 1}, .border = FC_WRAP},
    {"reflect, 3-D", 1, 2, 3, 1, {4, 4, 5}, {3, 3, 3}, .before = {1, 1, 1}, .after = {1, 1, 1}, .border = FC_REFLECT},
    {"flip", 1, 4, 5, 1, {1, 8, 9}, {1, 3, 2}, .flip = 1, .bias = 1},
};

enum { CONV_CASE_COUNT = sizeof CONV_CASES / sizeof CONV_CASES[0] };

#endif
