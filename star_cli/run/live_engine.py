"""One engine for the whole run: weights are swapped into the living engine, and a canary proves that they arrived."""

from __future__ import annotations

from collections.abc import Callable

from star_cli.backends.canary import distance, stale
from star_cli.core.keys import canonical
from star_cli.core.parts import Engine, ModelRef, Session
from star_cli.core.settings import Runtime
from star_cli.errors import EngineDied, StarError


class LiveEngine:
    """Holds at most one living session, across stages, rounds and the arms of a sweep."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._engine = ""
        self._asleep = False
        self.opened = self.swapped = 0

    @property
    def alive(self) -> bool:
        return self._session is not None

    def session(self, engine: Engine, model: ModelRef, runtime: Runtime, say: Callable[[str], None]) -> Session:
        """A session with these weights: the living one where possible, else a new one.

        An engine that died since it was last used, or dies here, is ended and opened once more.
        """
        try:
            return self._session_of(engine, model, runtime, say)
        except EngineDied as error:
            say(f"{error.what.splitlines()[0]}; starting a new one")
            self.close()
            return self._session_of(engine, model, runtime, say)

    def _session_of(self, engine: Engine, model: ModelRef, runtime: Runtime, say: Callable[[str], None]) -> Session:
        if self._session and self._engine != canonical(engine):
            self.close()
        if self._session and self._asleep:
            self._session.wake()
            self._asleep = False
        other = self._session is not None and self._session.model.key != model.key
        if self._session and other and engine.own_weights and not self._swap(self._session, model, say):
            self.close()
        if self._session is None:
            self._session = engine.open(model, runtime)
            self._engine = canonical(engine)
            self.opened += 1
            if engine.own_weights:
                self._prove_opened(self._session, model)
        return self._session

    def _swap(self, session: Session, model: ModelRef, say: Callable[[str], None]) -> bool:
        before = _scores(session, model)
        if not session.swap(model):
            return False
        self.swapped += 1
        after = _scores(session, model)
        fault = stale(model, before, after)
        if fault:
            say(f"the living engine did not take the new weights ({fault}); starting it anew")
        elif not model.canary:
            say("these weights have no canary to prove a swap by; starting the engine anew")
            return False
        return not fault

    def _prove_opened(self, session: Session, model: ModelRef) -> None:
        off = distance(model, _scores(session, model))
        if off > 1.0:
            self.close()
            raise StarError(
                f"the engine and the trainer disagree about the model {model.path}: log-probabilities of its "
                f"canary differ by {off:.3f} nats a token",
                hint="the weights on disk may be damaged (star verify), or model.dtype does not suit the device",
            )

    def sleep(self, say: Callable[[str], None]) -> None:
        """Let the engine give its device memory to the trainer; one that died gives it when it is ended."""
        if self._session and not self._asleep:
            try:
                self._session.sleep()
                self._asleep = True
            except EngineDied as error:
                say(f"{error.what.splitlines()[0]}; a new one starts when it is needed")
                self.close()

    def close(self) -> None:
        """End the engine, if one lives."""
        session, self._session, self._asleep = self._session, None, False
        if session:
            session.close()


def _scores(session: Session, model: ModelRef) -> list[float]:
    return session.score([(model.shown(c), c["completion"]) for c in model.canary]) if model.canary else []
