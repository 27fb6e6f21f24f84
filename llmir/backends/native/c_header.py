"""The header of a compiled program: what its functions take and give, for people and C or C++ compilers."""

from __future__ import annotations

from llmir.backends.native.kernels.c_model import CModel
from llmir.backends.native.kernels.c_model_create import MOST_TOKENS
from llmir.backends.native.kernels.c_model_memory import MOST_THREADS
from llmir.targets.machine import Machine


def c_header(model: CModel, machine: Machine, title: str, libraries: str) -> str:
    """The text of NAME.h. `title` says what was compiled, `libraries` what a program must be linked with."""
    plan, name = model.plan, model.prefix
    positions = "" if plan.positions is None else f"#define {name.upper()}_POSITIONS {plan.positions}\n"
    return _HEADER.format(
        name=name,
        macro=name.upper(),
        title=title.replace("*/", "* /"),
        machine=machine.name,
        features=", ".join((machine.cpu, *machine.features)),
        libraries=libraries,
        vocabulary=plan.vocabulary,
        positions=positions,
        weights=model.weights_file,
        threads=MOST_THREADS,
        tokens=MOST_TOKENS,
    )


_HEADER = """\
/* {title}, compiled for {machine} ({features}).

   Link with {libraries}. The functions run on 64-bit Linux, on processors with these features only. */
#ifndef LLMIR_{macro}_H
#define LLMIR_{macro}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define {macro}_VOCABULARY {vocabulary}
{positions}
/* A model that is ready to run: weights, keys and values of one text, threads. */
struct llmir_model;
#ifndef LLMIR_MODEL
#define LLMIR_MODEL
typedef struct llmir_model llmir_model;
#endif

/* Read the weights and start the threads.
   path      {weights}, or the folder it is in
   threads   1 .. {threads}, best the number of physical cores; 0: as many as processors may be used
   capacity  tokens a text may have at most, 1 .. {tokens}; memory for their keys and values is taken
   Returns NULL when that fails. The file may be removed afterwards. */
llmir_model* {name}_init(const char* path, int threads, int capacity);

/* Read n tokens that stand at position, position + 1, ... of the text. Those before must have been read; those from
   position on, if there were any, are forgotten.
   ids     n numbers below {macro}_VOCABULARY
   logits  gets {macro}_VOCABULARY numbers, what the model makes of the last token; or NULL
   Returns the token with the largest logit, the first of equals; -1 when an argument is wrong, and nothing was done. */
int {name}_prefill(llmir_model* model, const int32_t* ids, int n, int position, float* logits);

/* The same for one token, faster. */
int {name}_decode(llmir_model* model, int32_t id, int position, float* logits);

/* End the threads and give all memory back. NULL is nothing to free. */
void {name}_free(llmir_model* model);

/* What was wrong with the last call that this thread made of the functions in this file, "" if nothing.
   Valid until its next call. */
const char* {name}_last_error(void);

/* The same, for programs that use only quantizedMatMul. */
const char* llmir_last_error(void);

/* output[m][n] = sum over k of input[m][k] * (weights[n][k] - zeroPoints[n][k / groupSize]) * scales[n][k / groupSize]
   input       float [M][K]
   weights     int8_t [N][K], one code in each byte whatever the bits: -2^(bits-1) .. 2^(bits-1) - 1, nothing is packed
   scales      float [N][K / groupSize]
   zeroPoints  int8_t [N][K / groupSize], or NULL for none
   output      float [M][N], which overlaps none of the others
   M, N        at least 0; with 0 nothing is done
   K           at least 1
   groupSize   divides K; 0: one scale for each row of weights
   bits        2 .. 8
   All are contiguous. When an argument is wrong nothing is written and llmir_last_error() says what it is; after a call
   that went well it is "". It runs in the calling thread; any number of threads may call it at once. */
void quantizedMatMul(const void* input, const int8_t* weights, const float* scales, const int8_t* zeroPoints,
                     void* output, int M, int N, int K, int groupSize, int bits);

#ifdef __cplusplus
}}
#endif

/* A model may be given to any thread; calls that use the same model at the same time wait for each other. Different
   models do not know of each other. After fork() the child has none of its parent's models. With several compiled
   programs in one process, use NAME_last_error: the common names belong to whichever was linked or loaded first. */
#endif
"""
