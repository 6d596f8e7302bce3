"""vllm: the engine of every real run, on GPUs and on CPUs.

{"_": "engine/vllm/1", "dtype": "auto", "logprobs": true}
"""

from __future__ import annotations

import atexit
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from star_cli.backends import vision
from star_cli.backends.engines import _vllm_cpu
from star_cli.backends.engines._quiet import output_to, scratch_path, tail
from star_cli.backends.engines._thinking import Writing
from star_cli.backends.engines._vllm_start import import_vllm, sleep_mode, start_engine, where_to_read_more
from star_cli.backends.engines._vllm_watch import Watch
from star_cli.backends.model_config import DTYPES, gist, saved_dtype
from star_cli.backends.tokens import Codec, load_tokenizer, swap_signature
from star_cli.backends.weights import check_directory
from star_cli.core.parts import Completion, Engine, ModelRef, Prompt, Request
from star_cli.core.registry import register
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError

T = TypeVar("T")


@register("engine", "vllm")
class Vllm(Engine):
    """vLLM: on CUDA in a process of its own, on a CPU inside this one. ``dtype`` wins over ``model.dtype`` unless auto.

    ``logprobs`` records the log-probability of every sample; without it a tiny model writes some 15 % faster.
    """

    packages = ("vllm",)
    closes_thoughts: ClassVar[bool] = True
    dtype: str = "auto"
    logprobs: bool = True

    def check(self) -> None:
        if self.dtype not in DTYPES:
            raise StarError(f"engine.dtype must be auto, float32, float16 or bfloat16, got {self.dtype!r}")

    def open(self, model: ModelRef, runtime: Runtime) -> VllmSession:
        """Load the model. One engine lives in a process: an older session is closed first."""
        check_directory(model)
        if VllmSession.living:
            VllmSession.living.close()
        log = Path(runtime.engine_log or scratch_path("engine.log"))
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
        except OSError as e:
            raise StarError(
                f"the engine's log {log} cannot be written: {e.strerror}",
                hint="set runtime.engine_log to a file in a folder you may write to",
            ) from None
        with output_to(log):
            return VllmSession(self, model, runtime, log)


class Job(NamedTuple, Generic[T]):
    """One request to vLLM: what it is for, its prompt as ids and as it was asked, and vLLM's SamplingParams."""

    purpose: T
    ids: list[int]
    prompt: Prompt
    params: Any


class VllmSession:
    """A living vLLM engine. ``living`` is the one of this process: vLLM's global state bears no second.

    Where the engine has a process of its own, every call that waits for it is watched: a silent engine is ended.
    """

    living: ClassVar[VllmSession | None] = None

    def __init__(self, spec: Vllm, model: ModelRef, runtime: Runtime, log: Path) -> None:
        self.spec, self.model, self.runtime, self.log = spec, model, runtime, log
        self.cpu = import_vllm(log)
        self.device = "cpu" if self.cpu else "cuda"
        self._ids = count()
        self._ended: str | None = None
        self._busy = False
        self._dtype = self._precision(model)
        tokenizer = load_tokenizer(model)
        self._processor = vision.load_processor(model, runtime.max_images)
        self._watch = Watch(runtime.engine_patience)
        try:
            self._llm = start_engine(model, runtime, self._dtype, self.cpu, log, self._watch)
        except BaseException:
            self._watch.end()
            raise
        self._sleeps = sleep_mode(self.cpu)
        VllmSession.living = self
        limit = self._llm.llm_engine.model_config.max_model_len
        self._codec = Codec(model, tokenizer, limit, self._processor)
        self._signature = swap_signature(model, tokenizer)
        with self._asking("how large the model is"):
            self._threads = _vllm_cpu.writing_threads(self._llm) if self.cpu else 0

    def _precision(self, model: ModelRef) -> str:
        """The dtype to load in. vLLM's own "auto" halves float32 weights: then trainer and engine would disagree."""
        dtype = self.spec.dtype if self.spec.dtype != "auto" else model.dtype
        return saved_dtype(model) if dtype == "auto" else dtype

    # ---- writing --------------------------------------------------------------------------------------------------
    def stream(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Completions as they finish. At most 4 * max_num_seqs requests are pulled ahead."""
        self._ready()
        asked = iter(requests)
        begun: deque[Writing] = deque()  # what goes on behind the budget of its thought

        def following() -> Job[Writing] | None:
            if begun:
                return self._sampling_job(begun.popleft())
            request = next(asked, None)
            return None if request is None else self._sampling_job(Writing.of(request, self._codec))

        for writing, output in self._serve(following):
            earlier = self._codec.text(writing.ids, ())[0] if writing.own else ""
            part = output.outputs[0]
            writing.add(list(part.token_ids), part.cumulative_logprob)
            if part.finish_reason == "length" and not writing.whole:
                writing.close_thought(self._codec)
                begun.append(writing)
            else:
                image_tokens = self._processor.count_image_tokens(output.prompt_token_ids) if self._processor else 0
                yield self._completion(writing, part, earlier, image_tokens)

    def score(self, items: Sequence[tuple[str | Prompt, str]]) -> list[float]:
        """log P(completion, end of text | prompt) in nats; prompts are read whole, the prefix cache is not used."""
        self._ready()
        from vllm import SamplingParams

        params = SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=0.0, detokenize=False, flat_logprobs=True)
        scores = [0.0] * len(items)

        def jobs() -> Iterator[Job[tuple[int, list[bool]]]]:
            for i, (text, completion) in enumerate(items):
                prompt = Prompt(text) if isinstance(text, str) else text
                turn = self._codec.turn(prompt, completion, f"item {i}", room=1)
                yield Job((i, turn.written), turn.prompt + turn.completion, prompt, params)

        waiting = jobs()
        for (i, written), output in self._serve(lambda: next(waiting, None)):
            # one number for each token but the first, which nothing predicts
            each = output.prompt_logprobs.logprobs[-len(written) :]
            scores[i] = sum(value for value, own in zip(each, written, strict=True) if own)
        return scores

    def _sampling_job(self, writing: Writing) -> Job[Writing]:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        request, s = writing.request, writing.request.sampling
        ids = self._codec.prompt(request.prompt, f"problem {request.id[0]!r}", writing.room(self._codec))
        params = SamplingParams(
            temperature=s.temperature,
            top_p=s.top_p,
            top_k=s.top_k,
            max_tokens=writing.left,
            seed=writing.seed if s.temperature else None,
            stop=list(request.stop) or None,
            stop_token_ids=self._codec.stops,
            logprobs=0 if self.spec.logprobs else None,
            detokenize=bool(request.stop),
            skip_special_tokens=False,
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
            skip_clone=True,
        )
        return Job(writing, ids + writing.ids, request.prompt, params)

    def _completion(self, writing: Writing, output: Any, earlier: str, image_tokens: int) -> Completion:
        request = writing.request
        if output.finish_reason not in ("stop", "length"):
            raise self._died(f"vLLM ended a sample of problem {request.id[0]!r} with {output.finish_reason!r}")
        text, stopped = self._codec.text(writing.ids, request.stop)
        if isinstance(output.stop_reason, str) and not stopped:  # seen only in the text as vLLM joins it to the prompt
            text = earlier + output.text
        return writing.completion(self._codec, output.finish_reason, image_tokens, text)

    def _serve(self, following: Callable[[], Job[T] | None]) -> Iterator[tuple[T, Any]]:
        """Run jobs through the engine and yield (purpose, vLLM's output) as they finish.

        ``following`` gives the next job, or None where there is none now; what was yielded may bring another one.
        However it ends - done, closed early, an error - no request is left in the engine.
        """
        if self._busy:
            raise RuntimeError("this session is still streaming; close that stream first")
        if self.cpu:
            import torch

            torch.set_num_threads(self._threads)
        engine, running = self._llm.llm_engine, {}  # type: Any, dict[str, T]
        dummies, steps = _vllm_cpu.DummyRequests(engine, self._codec) if self.cpu else None, 0
        self._busy = True
        try:
            while True:
                if dummies:
                    with self._asking("a request"):
                        dummies.keep_running(steps)
                while len(running) < 4 * self.runtime.max_num_seqs and (job := following()):
                    running[self._add(engine, job)] = job.purpose
                if not running:
                    return
                steps += 1
                for output in self._step():
                    if output.finished and output.request_id in running:
                        yield running.pop(output.request_id), output
        finally:
            self._busy = False
            if self._ended is None:
                self._abort([*running, *(dummies.names if dummies else ())])

    def _add(self, engine: Any, job: Job[Any]) -> str:
        """Hand a job to the engine; returns the name it has there."""
        from vllm.inputs import TokensPrompt

        name = str(next(self._ids))
        tokens = TokensPrompt(prompt_token_ids=job.ids)
        if job.prompt.images:
            tokens["multi_modal_data"] = vision.multi_modal_data(job.prompt)
        with self._asking("a request"):
            engine.add_request(name, tokens, job.params)
        return name

    def _abort(self, names: list[str]) -> None:
        """Take requests out of the engine. Where it is dead already, the next call says so."""
        try:
            self._llm.llm_engine.abort_request(names)
        except Exception as e:
            self._ended = f"the engine died: {self._why(e)}"

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Around a call that waits for the engine; whatever goes wrong in one of its own process is EngineDied."""
        try:
            with self._watch.call():
                yield
        except StarError:
            raise
        except Exception as e:
            if not self._watch.killed() and type(e).__name__ != "EngineDeadError":
                raise
            raise self._died(f"the engine died, asked for {what}: {self._why(e)}") from e

    def _why(self, error: Exception) -> str:
        """Why the engine died, in a few words."""
        return self._watch.killed() or gist(error)

    def _step(self) -> list[Any]:
        try:
            with self._watch.call(tokens=True):
                return list(self._llm.llm_engine.step())
        except Exception as e:
            raise self._died(f"the engine died: {self._why(e)}") from e
        except BaseException:  # interrupted halfway: what the engine knows of its requests can no longer be trusted
            self._ended = "the engine was interrupted"
            raise

    def _died(self, what: str) -> EngineDied:
        self._ended = what
        return EngineDied(what + tail(self.log), hint=where_to_read_more(self.runtime, self.log))

    def _ready(self) -> None:
        if self._ended == "closed":
            raise StarError("this session was closed; an engine is opened again with Engine.open")
        if self._ended:
            raise EngineDied(self._ended, hint="open a new engine")

    # ---- weights and life -----------------------------------------------------------------------------------------
    def swap(self, model: ModelRef) -> bool:
        """New weights into the living engine; False where the model's shape, settings or tokenizer differ."""
        self._ready()
        check_directory(model)
        tokenizer = load_tokenizer(model)
        if self._signature is None or swap_signature(model, tokenizer) != self._signature:
            return False
        if self._precision(model) != self._dtype or (self.cpu and not _vllm_cpu.reloads_whole(model)):
            return False
        with output_to(self.log):
            if not self._reload(model):
                return False
        self.model = model
        self._processor = vision.load_processor(model, self.runtime.max_images)
        self._codec = Codec(model, tokenizer, self._codec.limit, self._processor)
        return True

    def _reload(self, model: ModelRef) -> bool:
        """Load the weights and forget what was computed with the old ones; False ends this session."""
        try:
            with self._watch.call():
                self._llm.collective_rpc("reload_weights", kwargs={"weights_path": model.path})
                if self.cpu:
                    self._llm.collective_rpc("repack_weights")
        except Exception as e:
            self._died(f"weights could not be loaded into the living engine: {self._why(e)}")
            return False
        with self._asking("an empty cache"):
            if self._processor:
                self._llm.llm_engine.reset_mm_cache()
                self._llm.llm_engine.reset_encoder_cache()
            for _ in range(40):  # or prompts seen before are answered from the old weights
                if self._llm.reset_prefix_cache():
                    return True
                time.sleep(0.05)  # an engine in its own process may still hold blocks of aborted requests
        self._died("the prefix cache could not be cleared for new weights")
        return False

    def sleep(self) -> None:
        """Move the weights to main memory and drop the cache. A CPU engine has nothing to give back."""
        if self._sleeps:  # level 1 keeps the weights: right whether or not others are swapped in afterwards
            with self._asking("sleep"):
                self._llm.sleep(level=1)

    def wake(self) -> None:
        """Take the device's memory again."""
        if self._sleeps:
            with self._asking("its memory"):
                self._llm.wake_up()

    def close(self) -> None:
        """End the engine. Its global state goes first, or the next engine of this process would lose it."""
        if VllmSession.living is self:
            VllmSession.living = None
        if self._ended == "closed":
            return
        dead, self._ended, llm = self._ended, "closed", self._llm
        del self._llm
        with output_to(self.log):
            if dead:  # nothing there is worth waiting for
                self._watch.end()
            llm.llm_engine.engine_core.shutdown()
            self._watch.end()


@atexit.register
def _close_at_exit() -> None:
    if VllmSession.living:
        VllmSession.living.close()
