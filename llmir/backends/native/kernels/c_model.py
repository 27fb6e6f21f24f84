"""A compiled program as C functions: NAME_init, NAME_prefill, NAME_decode, NAME_free, NAME_last_error.

All a model needs lies in one piece of anonymous memory, in huge pages where the system has them: the packed weights,
then the model itself (context, control block, threads), then scratch, cache and tables, which depend on the number of
threads and tokens. The team's threads are started by `init` and wait between calls; reading the weights and computing
tables is a job of theirs as the steps are. Of the system nothing is used but functions of the C library.

A model is used by one call at a time, a second one waits; models know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from llmir.backends.native.builder import ModuleBuilder
from llmir.backends.native.kernels.c_model_calls import Calls
from llmir.backends.native.kernels.c_model_create import Create, emit_init
from llmir.backends.native.kernels.c_model_load import LoadJob
from llmir.backends.native.kernels.c_model_team import (
    DESTROY,
    emit_calibrate,
    emit_destroy,
    emit_processors,
    emit_thread,
)
from llmir.backends.native.kernels.c_program import LOAD, CProgram
from llmir.backends.native.kernels.last_error import LastError
from llmir.backends.native.kernels.libc import declare_libc
from llmir.backends.native.kernels.processor import MissingFeature
from llmir.backends.native.kernels.team import Team
from llmir.backends.native.vector_types import PTR


@dataclass(frozen=True)
class CModel(CProgram):
    """The functions of a program whose steps are in the module. `key` is that of its packed weights.

    `struct llmir_model* NAME_init(const char* path, int threads, int capacity)`,
    `int NAME_prefill(struct llmir_model*, const int* ids, int n, int position, float* logits)`,
    `int NAME_decode(struct llmir_model*, int id, int position, float* logits)`,
    `void NAME_free(struct llmir_model*)`, `const char* NAME_last_error(void)`.
    """

    @property
    def name(self) -> str:
        """The first function's name."""
        return f"{self.prefix}_init"

    @property
    def exported(self) -> tuple[str, ...]:
        """The names of all of them."""
        return tuple(f"{self.prefix}_{part}" for part in ("init", "prefill", "decode", "free", "last_error"))

    def emit(self, m: ModuleBuilder) -> str:
        """Add the functions."""
        declare_libc(m)
        LastError(f"{self.prefix}_last_error").emit(m)
        LoadJob(self).emit(m)
        Team((*(step.name for step in self.plan.steps), LOAD)).emit(m)
        emit_thread(m)
        emit_destroy(m)
        emit_processors(m)
        emit_calibrate(m)
        Create(self).emit(m)
        MissingFeature().emit(m)
        emit_init(m, self)
        Calls(self).emit(m)
        with m.function(f"{self.prefix}_free", [("model", PTR)], public=True) as f:
            f.if_(f.cmp("ne", f.integer_of(f.args["model"]), 0), lambda: f.call(DESTROY, [f.args["model"]])[:0])
        return self.name
