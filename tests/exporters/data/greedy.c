/* greedy PATH THREADS CAPACITY COUNT SPLIT ID...: prints COUNT tokens behind the ids, the largest logit each time.
   The first SPLIT ids are read by one call, the others by a second; what goes wrong is printed instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static int complain(void) {
    printf("error: %s\n", model_last_error());
    return 1;
}

static int largest(const float *logits) {
    int best = 0;
    for (int i = 1; i < MODEL_VOCABULARY; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

int main(int argc, char **argv) {
    int threads = atoi(argv[2]), capacity = atoi(argv[3]), count = atoi(argv[4]), split = atoi(argv[5]), n = argc - 6;
    int32_t *ids = malloc(sizeof *ids * (n + 1));
    float *logits = malloc(sizeof *logits * MODEL_VOCABULARY);
    for (int i = 0; i < n; i++)
        ids[i] = atoi(argv[6 + i]);
    llmir_model *model = model_init(strcmp(argv[1], "NULL") ? argv[1] : NULL, threads, capacity);
    if (model == NULL)
        return complain();
    if (split && model_prefill(model, ids, split, 0, NULL) < 0)
        return complain();
    int token = model_prefill(model, ids + split, n - split, split, logits);
    for (int position = n; count > 0; position++, count--) {
        if (token < 0)
            return complain();
        if (token != largest(logits)) {
            printf("error: %d was returned, the largest logit is that of %d\n", token, largest(logits));
            return 1;
        }
        printf("%d ", token);
        if (count > 1)
            token = model_decode(model, token, position, logits);
    }
    printf("\n");
    for (int i = 0; i < MODEL_VOCABULARY; i++)
        printf("%.9g ", logits[i]);
    printf("\n");
    model_free(model);
    free(ids);
    free(logits);
    return 0;
}
