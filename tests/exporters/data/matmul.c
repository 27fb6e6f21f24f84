/* matmul M N K GROUP BITS POINTS: reads float input, int8 weights, float scales and, if POINTS, int8 zero points from
   standard input and writes float outputs to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

static void *read_all(size_t size, size_t count) {
    void *data = malloc(size * count + 1);
    if (fread(data, size, count, stdin) != count)
        exit(3);
    return data;
}

int main(int argc, char **argv) {
    int size[6];
    for (int i = 0; i < 6 && i + 1 < argc; i++)
        size[i] = atoi(argv[i + 1]);
    size_t m = size[0], n = size[1], k = size[2], parameters = n * (k / size[3]);
    float *input = read_all(sizeof(float), m * k);
    int8_t *weights = read_all(1, n * k);
    float *scales = read_all(sizeof(float), parameters);
    int8_t *points = size[5] ? read_all(1, parameters) : NULL;
    float *output = malloc(sizeof(float) * m * n);
    quantizedMatMul(input, weights, scales, points, output, size[0], size[1], size[2], size[3], size[4]);
    if (*llmir_last_error()) {
        fprintf(stderr, "%s\n", llmir_last_error());
        return 1;
    }
    fwrite(output, sizeof(float), m * n, stdout);
    free(input), free(weights), free(scales), free(points), free(output);
    return 0;
}
