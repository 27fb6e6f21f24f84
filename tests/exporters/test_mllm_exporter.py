"""Writing `.mllm` files: byte for byte what mllm writes, read back, and refusals that leave nothing behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp

import llmir.exporters.mllm as exporter
import llmir.program.tensors as tensors_module
from llmir.dialects.llm.flattened import encoded
from llmir.dialects.llm.types import quantized_tensor_type
from llmir.dialects.llm.weights import WeightOp
from llmir.errors import InputError, OutputError
from llmir.exporters.mllm import BLOCK_FORMATS, export_mllm, write_mllm
from llmir.formats import gguf_blocks
from llmir.formats.elements import Integer
from llmir.formats.granularity import Granularity
from llmir.formats.mllm import CODES, TYPES, V1_TYPES, Generation, MllmType
from llmir.formats.quantized import QuantizedFormat
from llmir.frontends.mllm_file import open_mllm
from llmir.frontends.tensor_file import plain
from llmir.program.mllm_file import MllmFile, MllmTensor, open_mllm_file
from llmir.program.program import Program
from llmir.program.quantized_weights import put_quantized
from llmir.program.store import WeightStore
from llmir.program.tensors import MemoryTensor
from llmir.quantizers.registry import quantize

DATA = Path(__file__).parents[1] / "program" / "data" / "mllm"
BLOCKS = Path(__file__).parents[1] / "formats" / "data" / "mllm_gguf_blocks.npz"


@pytest.mark.parametrize(("sample", "slots"), [("v1", None), ("v2_static", None), ("v2_streaming", 8)])
def test_samples_byte_for_byte(sample: str, slots: int | None, tmp_path: Path) -> None:
    source = open_mllm_file(DATA / f"sample_{sample}.mllm")
    path = tmp_path / "f.mllm"
    write_mllm(path, {name: source.stored(name) for name in source.entries}, source.generation, slots=slots)
    assert path.read_bytes() == (DATA / f"sample_{sample}.mllm").read_bytes()
    assert list(tmp_path.iterdir()) == [path]


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
plain_types = st.sampled_from([type for type in TYPES.values() if type.plain is not None])
models = st.dictionaries(names, st.tuples(plain_types, st.lists(st.integers(0, 3), max_size=4)), max_size=5)


@given(models, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9))
@settings(max_examples=20, deadline=None)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, tensors: Mapping[str, tuple[MllmType, list[int]]], model: str
) -> None:
    path = tmp_path_factory.mktemp("mllm") / "f.mllm"
    written: dict[str, MllmTensor] = {}
    for number, (name, (type, shape)) in enumerate(tensors.items()):
        assert type.plain is not None
        size = int(np.prod(shape, dtype=int)) * type.plain.itemsize
        data = np.random.default_rng(number).integers(0, 255, size, dtype=np.uint8)
        written[name] = MllmTensor(type, tuple(shape), MemoryTensor(data))
    for generation in ("v1", "v2"):
        write_mllm(path, written, generation, model_name=model)
        file = open_mllm_file(path)
        assert file.generation == generation
        assert list(file.entries) == list(written)
        assert file.model_name == (model if generation == "v2" else "")
        for name, tensor in written.items():
            assert np.array_equal(file.bytes(name).read(), tensor.data.read())
            assert file.entries[name].type == tensor.type
            assert generation == "v1" or file.entries[name].shape == tensor.shape


def tensor(shape: tuple[int, ...] = (2,), data: NDArray[np.float32] | None = None) -> MllmTensor:
    return MllmTensor(TYPES[0], shape, MemoryTensor(np.zeros(shape, np.float32) if data is None else data))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("é" * 128, tensor(), "its name has 256 bytes, v2 holds 255"),
        ("", tensor(), "a name in a .mllm file must not be empty or hold zero characters"),
        ("a\0b", tensor(), "a name in a .mllm file must not be empty or hold zero characters"),
        ("w", tensor((1,) * 17), "v2 holds 16 dimensions of 31 bits"),
        ("w", tensor((3,), np.zeros(2, np.float32)), "8 bytes of data, but Float32 of shape [3] takes 12"),
    ],
)
def test_refusals_leave_nothing(name: str, given: MllmTensor, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        write_mllm(tmp_path / "f.mllm", {name: given})
    assert expected in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/f.mllm: ")
    assert list(tmp_path.iterdir()) == []


def test_v1_holds_long_names(tmp_path: Path) -> None:
    """Sizes and offsets follow from the name written, whatever its length."""
    write_mllm(tmp_path / "f.mllm", {"x" * 400: tensor(), "y": tensor((3,))}, "v1")
    assert [e.shape for e in open_mllm_file(tmp_path / "f.mllm").entries.values()] == [(2,), (3,)]


def test_other_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="written as v1 or v2, not as pre-v2"):
        write_mllm(tmp_path / "f.mllm", {}, "pre-v2")
    with pytest.raises(InputError, match="1 tensors do not fit into 0 reserved descriptors"):
        write_mllm(tmp_path / "f.mllm", {"w": tensor()}, slots=0)
    with pytest.raises(InputError, match="the model's name has 512 bytes"):
        write_mllm(tmp_path / "f.mllm", {}, model_name="m" * 512)
    with pytest.raises(OutputError, match="is a folder, expected the name of a file"):
        write_mllm(tmp_path, {})
    with pytest.raises(OutputError, match=r"f\.mllm: cannot be written: No such file or directory"):
        write_mllm(tmp_path / "absent" / "f.mllm", {})
    assert list(tmp_path.iterdir()) == []


def test_types_of_version_1(tmp_path: Path) -> None:
    packed = MllmTensor(V1_TYPES[31], (3,), MemoryTensor(np.zeros(3, np.uint8)))
    write_mllm(tmp_path / "a.mllm", {"w": packed}, "v1")
    with pytest.raises(InputError, match=r"b\.mllm: tensor 'w': v2 has no data type KLEIDIAI_Q4_0"):
        export_mllm(open_mllm(tmp_path / "a.mllm"), tmp_path / "b.mllm")


@pytest.mark.parametrize("names", [("w",), ("w", "v")])
def test_what_reads_back_differently_is_not_kept(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that stores something else."""
    other = tmp_path / "other.mllm"
    write_mllm(other, {name: tensor((2,), np.ones(2, np.float32)) for name in names})

    def reads_other(_path: Path) -> MllmFile:
        return open_mllm_file(other)

    monkeypatch.setattr(exporter, "open_mllm_file", reads_other)
    with pytest.raises(OutputError, match=r"f\.mllm: (tensor 'w' reads back differently|read back with other tensors)"):
        write_mllm(tmp_path / "f.mllm", {"w": tensor()})
    assert list(tmp_path.iterdir()) == [other]


class Failing:
    """A tensor on a failing disk."""

    dtype, shape = np.dtype(np.float32), (2,)

    def read(self) -> NDArray[np.float32]:
        return self.rows(0, 2)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        raise OSError(5, "Input/output error")

    def release(self) -> None: ...


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "f.mllm"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="Input/output error"):
        write_mllm(path, {"w": MllmTensor(TYPES[0], (2,), Failing())})
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f.mllm", b"old")]


# programs


def program(*weights: WeightOp, store: WeightStore) -> Program:
    return Program(ModuleOp(list(weights)), store, "p")


@pytest.mark.parametrize("sample", ["v1", "v2_static"])
def test_a_file_survives_being_a_program(sample: str, tmp_path: Path) -> None:
    source = DATA / f"sample_{sample}.mllm"
    generation: Generation = "v1" if sample == "v1" else "v2"
    assert export_mllm(open_mllm(source), tmp_path / "f.mllm", generation) == []
    assert (tmp_path / "f.mllm").read_bytes() == source.read_bytes()


def golden_blocks(name: str) -> NDArray[np.uint8]:
    """What mllm's own quantizer makes of 1024 values."""
    blocks = np.load(DATA / "q8_k.npy") if name == "Q8_K" else np.load(BLOCKS)[name]
    return blocks.ravel().view(np.uint8)


@pytest.mark.parametrize("name", ["Q4_0", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q6_K", "Q8_K"])
def test_blocks_survive_being_a_program(name: str, tmp_path: Path) -> None:
    """What mllm's quantizer makes comes back byte for byte, as codes where the IR has a type for them."""
    blocks = golden_blocks(name)
    kind = TYPES[CODES[name]]
    write_mllm(tmp_path / "a.mllm", {"w.weight": MllmTensor(kind, (4, 256), MemoryTensor(blocks))})
    opened = open_mllm(tmp_path / "a.mllm")
    assert ("quantized_tensor" in str(opened.module)) == (name != "Q8_K")
    assert ("llm.linear" in str(opened.module)) == (name != "Q8_K")
    export_mllm(opened, tmp_path / "b.mllm")
    assert (tmp_path / "a.mllm").read_bytes() == (tmp_path / "b.mllm").read_bytes()


def test_q8_k_blocks(tmp_path: Path) -> None:
    """Codes and scales of the Q8_K format become mllm's blocks, sums included."""
    array = quantize(np.load(BLOCKS)["x"].reshape(2, 512), BLOCK_FORMATS["Q8_K"], "mllm_q8_k")
    store = WeightStore()
    put_quantized(store, "w", array, BLOCK_FORMATS["Q8_K"])
    weight = WeightOp("w", quantized_tensor_type((2, 512), BLOCK_FORMATS["Q8_K"]))
    name, data = written_tensor(program(weight, store=store), tmp_path)
    assert name == "Q8_K"
    assert np.array_equal(data, golden_blocks("Q8_K"))


def written_tensor(source: Program, folder: Path) -> tuple[str, NDArray[np.uint8]]:
    """The data type and the bytes a program's only weight is written as."""
    export_mllm(source, folder / "f.mllm")
    file = open_mllm_file(folder / "f.mllm")
    (entry,) = file.entries.values()
    return entry.type.name, file.bytes(entry.name).read()


def test_blocks_without_shapes(tmp_path: Path) -> None:
    """In version 1 a quantized tensor has one dimension."""
    blocks = np.random.default_rng(0).integers(0, 100, 6 * 34, dtype=np.uint8)
    write_mllm(tmp_path / "a.mllm", {"w": MllmTensor(TYPES[CODES["Q8_0"]], (192,), MemoryTensor(blocks))}, "v1")
    opened = open_mllm(tmp_path / "a.mllm")
    assert "llm.weight @w" in str(opened.module)
    assert np.array_equal(opened.weights["w.codes"].rows(40, 50), opened.weights["w.codes"].read()[40:50])
    export_mllm(opened, tmp_path / "b.mllm", "v1")
    assert (tmp_path / "a.mllm").read_bytes() == (tmp_path / "b.mllm").read_bytes()


def test_rows_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of blocks survives being read, decoded, encoded and written eight rows at a time."""
    monkeypatch.setattr(tensors_module, "CHUNK_BYTES", 1)
    blocks = np.random.default_rng(0).integers(0, 100, (20, 2 * 34), dtype=np.uint8)
    write_mllm(tmp_path / "a.mllm", {"w.weight": MllmTensor(TYPES[CODES["Q8_0"]], (20, 64), MemoryTensor(blocks))})
    export_mllm(open_mllm(tmp_path / "a.mllm"), tmp_path / "b.mllm")
    assert (tmp_path / "a.mllm").read_bytes() == (tmp_path / "b.mllm").read_bytes()


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    """Its values are kept; mllm's readers cannot size bfloat16."""
    values = np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16)
    weight = WeightOp("w", plain(MemoryTensor(values)).type)
    source = program(weight, store=WeightStore({"w": MemoryTensor(values)}))
    notes = export_mllm(source, tmp_path / "f.mllm")
    assert notes == ["1 bf16 tensors were written as Float32, which holds their values; mllm cannot size BFloat16"]
    stored = open_mllm_file(tmp_path / "f.mllm").plain("w").read()
    assert stored.dtype == np.float32
    assert np.array_equal(stored, values.astype(np.float32))


def test_weights_mllm_has_no_type_for(tmp_path: Path) -> None:
    form = QuantizedFormat(Integer(3, signed=True), granularity=Granularity(group_size=32))
    array = quantize(np.ones((2, 64), np.float32), form, "absmax")
    store = WeightStore({"d": MemoryTensor(np.zeros(2)), "e": MemoryTensor(np.zeros(2, np.uint8))})
    put_quantized(store, "q", array, form)
    half = np.dtype(np.float16)
    q4_0 = gguf_blocks.format_of(GGMLQuantizationType.Q4_0)
    padded = QuantizedFormat(q4_0.element, half, granularity=q4_0.granularity)
    put_quantized(store, "p", quantize(np.ones((2, 40), np.float32), padded, "absmax"), padded)
    unsigned = plain(store["e"]).type
    cases = {
        "is !llm.quantized_tensor<2x64xi3": WeightOp("q", quantized_tensor_type((2, 64), form)),
        "whose rows are not whole Q4_0 blocks of 32": WeightOp("p", quantized_tensor_type((2, 40), padded)),
        "is tensor<2xf64>, which mllm has no data type for": WeightOp("d", plain(store["d"]).type),
        "is stored as IQ4_NL, which mllm has no data type for": encoded(WeightOp("e", unsigned), "IQ4_NL", (32,)),
    }
    for expected, weight in cases.items():
        with pytest.raises(InputError) as error:
            export_mllm(program(weight, store=store), tmp_path / "f.mllm")
        assert f"f.mllm: weight '{weight.sym_name.data}' " in str(error.value)
        assert expected in str(error.value)
    assert list(tmp_path.iterdir()) == []
